//! Reads the values with yaml_serde while walking the spans, so that the two are known to agree.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::diagnostic::Diagnostic;
use super::source::Source;
use super::spans::{Entries, Entry, Kids, Spans};
use super::syntax;

/// The value of a text with the merges (`<<`) applied, and the spans of that.
///
/// # Errors
/// `ambiguous` where the parsers disagree, `number` for what is not finite, and what yaml_serde
/// refuses.
pub fn values(source: &Arc<Source>, spans: &Arc<Spans>) -> Result<(Value, Arc<Spans>), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let join = Join { source, spans, errors: &mut errors };
    let read = join.deserialize(serde_yaml::Deserializer::from_str(source.text()));
    match read {
        _ if !errors.is_empty() => Err(errors),
        Ok(read) => Ok(read),
        Err(error) => Err(vec![syntax::from_serde(source, &error)]),
    }
}

/// One value that is to be read, and what the event pass saw there.
struct Join<'a> {
    source: &'a Arc<Source>,
    spans: &'a Arc<Spans>,
    errors: &'a mut Vec<Diagnostic>,
}

type Joined = (Value, Arc<Spans>);

impl<'a> Join<'a> {
    fn child<'b>(&'b mut self, spans: &'b Arc<Spans>) -> Join<'b> {
        Join { source: self.source, spans, errors: self.errors }
    }

    fn scalar(self, value: Value) -> Joined {
        match self.spans.kids {
            Kids::Scalar(_) => (value, Arc::clone(self.spans)),
            _ => self.ambiguous(),
        }
    }

    fn number(self, number: Option<Number>) -> Joined {
        if let Some(number) = number {
            return self.scalar(Value::Number(number));
        }
        let bytes = self.spans.bytes.clone();
        let text = &self.source.text()[bytes.clone()];
        let error = Diagnostic::at((self.source, bytes), "number", format!("{text} is no finite number"));
        self.errors.push(error.hint(format!("if text is meant, quote it: \"{text}\"")));
        self.scalar(Value::Null)
    }

    fn ambiguous(self) -> Joined {
        let message = "two YAML parsers read this differently";
        let error = Diagnostic::at((self.source, self.spans.bytes.clone()), "ambiguous", message);
        self.errors.push(error.hint("write it more plainly: one key to a line, text in quotes"));
        (Value::Null, Arc::clone(self.spans))
    }
}

impl<'de> DeserializeSeed<'de> for Join<'_> {
    type Value = Joined;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Joined, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Join<'_> {
    type Value = Joined;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Joined, E> {
        Ok(self.scalar(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Joined, E> {
        Ok(self.scalar(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Joined, E> {
        Ok(self.scalar(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Joined, E> {
        Ok(self.number(Some(value.into())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Joined, E> {
        Ok(self.number(Some(value.into())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Joined, E> {
        Ok(self.number(Number::from_f64(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Joined, E> {
        Ok(self.scalar(Value::String(value.to_owned())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Joined, E> {
        Ok(self.scalar(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Joined, A::Error> {
        let spans = self.spans;
        let nodes = match &spans.kids {
            Kids::List(nodes) => nodes.as_slice(),
            _ => &[],
        };
        let mut values = Vec::with_capacity(nodes.len());
        let mut kids = Vec::with_capacity(nodes.len());
        let mut changed = false;
        for node in nodes {
            let Some((value, kid)) = seq.next_element_seed(self.child(node))? else {
                break;
            };
            changed |= !Arc::ptr_eq(&kid, node);
            values.push(value);
            kids.push(kid);
        }
        let more = seq.next_element::<IgnoredAny>()?.is_some();
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        if more || values.len() != nodes.len() || !matches!(spans.kids, Kids::List(_)) {
            return Ok(self.ambiguous());
        }
        let bytes = spans.bytes.clone();
        let spans = match changed {
            true => Arc::new(Spans { bytes, kids: Kids::List(kids) }),
            false => Arc::clone(spans),
        };
        Ok((Value::Array(values), spans))
    }

    /// A map without merges shares its spans; one with merges gets new ones. A map's own keys win
    /// over merged ones, and an earlier map of a list over a later one.
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Joined, A::Error> {
        let spans = self.spans;
        let mut entries = match &spans.kids {
            Kids::Map(entries) => Some(entries.iter()),
            _ => None,
        };
        let mut values = Map::new();
        let mut kids: Vec<Arc<Spans>> = Vec::new();
        let mut merges = Vec::new();
        let mut changed = false;
        while let Some(key) = map.next_key::<String>()? {
            let entry = entries.as_mut().and_then(Iterator::next);
            let Some(entry) = entry.filter(|entry| *entry.key == key) else {
                map.next_value::<IgnoredAny>()?;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(self.ambiguous());
            };
            let (value, node) = map.next_value_seed(self.child(&entry.node))?;
            changed |= entry.merge || !Arc::ptr_eq(&node, &entry.node);
            match entry.merge {
                true => merges.push((value, Arc::clone(&node))),
                false => drop(values.insert(key, value)),
            }
            kids.push(node);
        }
        let Kids::Map(entries) = &spans.kids else {
            return Ok(self.ambiguous());
        };
        if kids.len() != entries.iter().len() {
            return Ok(self.ambiguous());
        }
        if !changed {
            return Ok((Value::Object(values), Arc::clone(spans)));
        }
        let mut kept = Entries::default();
        for (entry, node) in entries.iter().zip(kids).filter(|(entry, _)| !entry.merge) {
            kept.push(Entry { node, ..entry.clone() });
        }
        for (value, node) in merges {
            merge(value, &node, &mut values, &mut kept);
        }
        let bytes = spans.bytes.clone();
        Ok((Value::Object(values), Arc::new(Spans { bytes, kids: Kids::Map(kept) })))
    }
}

/// Adds what a merge brings, at the places where the anchor has it.
fn merge(value: Value, spans: &Spans, values: &mut Map<String, Value>, kept: &mut Entries) {
    match (value, &spans.kids) {
        (Value::Object(mut map), Kids::Map(entries)) => {
            for entry in entries.iter() {
                if values.contains_key(&*entry.key) {
                    continue;
                }
                if let Some(value) = map.remove(&*entry.key) {
                    values.insert(entry.key.to_string(), value);
                    kept.push(entry.clone());
                }
            }
        }
        (Value::Array(list), Kids::List(nodes)) => {
            for (value, node) in list.into_iter().zip(nodes) {
                merge(value, node, values, kept);
            }
        }
        _ => {}
    }
}
