//! `--login`, `--become`: who to be on the target.

use std::sync::Once;

use crate::book::SecretFrom;
use crate::channel::{Channel, ChannelError, Login, Password};
use crate::inventory::{Elevate, Way};
use crate::report::{Redactor, wrap};
use crate::target::{Become, Method, Target};

use super::secret::{from_env, secret, typed};
use super::{Failure, secrets, warn, width};

#[derive(clap::Args, Debug)]
pub(super) struct AccessArgs {
    /// Who to be at a console's login, or for ssh; the password: RUNBOOK_PASSWORD, or asked
    #[arg(long, value_name = "USER")]
    pub login: Option<String>,
    /// Become root there (sudo, doas or su); its password: RUNBOOK_BECOME_PASSWORD, or -K
    #[arg(short = 'b', long = "become")]
    pub elevate: bool,
    /// How to become root
    #[arg(long, value_name = "METHOD", value_parser = ["sudo", "doas", "su"])]
    pub become_method: Option<String>,
    /// Go on with a secret of less than four characters, which cannot be hidden in what is shown
    #[arg(long)]
    pub allow_short_secrets: bool,
    /// Ask for the password of --become
    #[arg(short = 'K', long = "ask-become-pass")]
    pub ask_become: bool,
}

/// What the command line gives for every target.
pub(super) struct Access {
    user: Option<String>,
    password: Option<Password>,
    elevate: Option<Become>,
    /// Whether the user knows that short secrets are shown.
    allow_short_secrets: bool,
    /// Knows every secret that was read so far.
    pub redactor: Redactor,
}

impl AccessArgs {
    /// Asks for what is to be asked.
    pub(super) fn read(&self) -> Result<Access, Failure> {
        let failed = |why: String| Failure::usage(why, "RUNBOOK_BECOME_PASSWORD gives it without asking");
        let given = from_env("RUNBOOK_BECOME_PASSWORD");
        let password = match given {
            None if self.ask_become => Some(Password(typed("Password to become root").map_err(failed)?)),
            given => given,
        };
        let wanted = self.elevate || self.become_method.is_some() || self.ask_become;
        let method = self.become_method.as_deref().and_then(Method::named);
        let elevate = wanted.then_some(Become { method, password });
        let access = Access {
            user: self.login.clone(),
            password: from_env("RUNBOOK_PASSWORD"),
            elevate,
            allow_short_secrets: self.allow_short_secrets,
            redactor: secrets(),
        };
        let become_password = access.elevate.as_ref().and_then(|e| e.password.as_ref());
        access.redactor.learn(access.password.iter().chain(become_password).map(|p| p.0.clone()));
        Ok(access)
    }
}

impl Access {
    /// Hides a password that is about to be used; one that is too short for that is told, once.
    fn learn(&self, password: Option<&Password>) {
        static TOLD: Once = Once::new();
        if password.is_some_and(|p| !p.0.is_empty() && !Redactor::can_hide(&p.0)) && !self.allow_short_secrets {
            let text = "warning: a password of less than four characters cannot be hidden: wherever the target repeats it, it is shown (--allow-short-secrets says that this is fine)";
            TOLD.call_once(|| warn(&(wrap(text, width()).join("\n") + "\n")));
        }
        self.redactor.learn(password.map(|p| p.0.clone()));
    }

    /// The target over one of its ways. Nothing was sent yet.
    pub(super) async fn open(&self, way: &Way, elevate: Option<&Elevate>) -> Result<Target, ChannelError> {
        let channel = self.channel(way).await?;
        Ok(Target::new(channel).elevated(self.elevation(way, elevate).await?))
    }

    /// Who we are over it, where that is said.
    pub(super) fn login(&self, way: &Way) -> Option<String> {
        // --login is for what logs in; a guest agent or a disk asks for nobody.
        let ours = self.user.clone().filter(|_| way.url.scheme() == "ssh" || way.url.asks());
        way.url.user().or(ours).or_else(|| way.user.clone())
    }

    async fn channel(&self, way: &Way) -> Result<Box<dyn Channel>, ChannelError> {
        let user = self.user.clone().or_else(|| way.user.clone());
        let what = format!("Password of {} over {}", user.as_deref().unwrap_or("the user"), way.url.scheme());
        // An inventory's password is that of its own user.
        let theirs = way.user.clone().or_else(|| way.url.user());
        let another = self.user.is_some() && theirs.is_some() && self.user != theirs;
        let own = password(way.password.as_ref().filter(|_| !another), &what).await?;
        let mut given = own.or_else(|| self.password.clone());
        // ssh has keys, and asks by itself; a console that is told a user will want the password.
        if given.is_none() && user.is_some() && way.url.asks() {
            given = typed(&what).ok().filter(|p| !p.is_empty()).map(Password);
        }
        self.learn(given.as_ref());
        way.url.open(&Login { user, password: given })
    }

    async fn elevation(&self, way: &Way, elevate: Option<&Elevate>) -> Result<Option<Become>, ChannelError> {
        if self.elevate.is_some() || matches!(way.url.scheme(), "root") {
            return Ok(self.elevate.clone().filter(|_| way.url.scheme() != "root"));
        }
        let Some(e) = elevate else { return Ok(None) };
        let given = password(e.password.as_ref(), "Password to become root").await?;
        let given = given.or_else(|| from_env("RUNBOOK_BECOME_PASSWORD"));
        self.learn(given.as_ref());
        let method = e.method.as_deref().and_then(Method::named);
        Ok(Some(Become { method, password: given }))
    }
}

async fn password(from: Option<&SecretFrom>, what: &str) -> Result<Option<Password>, ChannelError> {
    let Some(from) = from else { return Ok(None) };
    let got = secret(from, what).await.map_err(|why| {
        ChannelError::new(format!("its password cannot be had: {why}")).hint("see password: in the inventory")
    })?;
    Ok(Some(Password(got)))
}
