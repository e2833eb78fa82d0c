//! A content provider beside the system: its key is pinned, and it mints tokens.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rcgen::{KeyPair, PKCS_ED25519};
use tokio::process::Command;

use super::plan::Tokens;
use crate::process::binary;

/// Whose contents the system delivers.
#[derive(Clone, Debug)]
pub struct Provider {
    name: String,
    private: PathBuf,
    public: PathBuf,
}

impl Provider {
    /// As all contents of a plan name it.
    const NAME: &str = "demo";
    /// The site whose pages may join.
    pub const SITE: &str = "https://site.example";

    /// Draws a key and pins it in the store of a coordinator that has not started yet.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn new(folder: &Path, data: PathBuf, tokens: Tokens) -> Result<Self> {
        Self::named(Self::NAME, folder, data, tokens).await
    }

    /// The same for another one, of whom the system has no contents.
    ///
    /// # Errors
    /// As there.
    pub async fn named(name: &str, folder: &Path, data: PathBuf, tokens: Tokens) -> Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_ED25519)?;
        let provider = Self {
            name: name.to_owned(),
            private: folder.join(format!("provider-{name}.pem")),
            public: folder.join(format!("provider-{name}-public.pem")),
        };
        std::fs::write(&provider.private, pair.serialize_pem())?;
        std::fs::write(&provider.public, pair.public_key_pem())?;
        let mut command = Command::new(binary("runnel-coordinator")?);
        command.arg("--data").arg(data);
        command.args(["provider", "add", name, "--kid", "one"]);
        if tokens == Tokens::OfOneSite {
            command.args(["--origin", Self::SITE]);
        }
        output(command.arg("--key").arg(&provider.public)).await?;
        Ok(provider)
    }

    /// Its public key, as PEM: everybody may know it.
    ///
    /// # Errors
    /// When the file is gone.
    pub fn public_key(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.public)?)
    }

    /// A token for the content `live`, with what else it is to say (`token mint --help`).
    ///
    /// # Errors
    /// When it cannot be minted.
    pub async fn mint(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(binary("runnel-coordinator")?);
        command.args(["token", "mint", "--provider", &self.name, "--kid", "one"]);
        command.arg("--key").arg(&self.private);
        if !arguments.contains(&"--contents") {
            command.args(["--contents", "live"]);
        }
        if !arguments.contains(&"--seconds") {
            command.args(["--seconds", "600"]);
        }
        output(command.args(arguments)).await
    }

    /// What tokens of the agent with this data folder are bound to.
    ///
    /// # Errors
    /// When the agent does not say.
    pub async fn key_of_agent(&self, data: &Path) -> Result<String> {
        let mut command = Command::new(binary("runnel-agent")?);
        command.args(["--coordinator", "ws://127.0.0.1:9/v1/peer", "--print-key"]);
        output(command.arg("--data").arg(data)).await
    }
}

/// The last line that a program prints.
async fn output(command: &mut Command) -> Result<String> {
    let output = command.output().await?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let printed = String::from_utf8(output.stdout)?;
    Ok(printed
        .lines()
        .last()
        .context("nothing printed")?
        .to_owned())
}
