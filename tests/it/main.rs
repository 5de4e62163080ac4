mod docs;
mod engine;
mod lang;
mod lang_hostile;
