//! The coordinator's process, which keeps its address when it is started again.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::{Content, READY};
use crate::process::{Process, binary};

#[derive(Debug)]
pub(super) struct ControlCenter {
    process: Process,
    folder: PathBuf,
    /// `host:port`
    address: String,
    starts: u32,
}

impl ControlCenter {
    pub(super) async fn start(
        folder: &Path,
        contents: &[Content],
        enforced: &[&str],
    ) -> Result<Self> {
        let configuration = configuration(contents, enforced);
        std::fs::write(folder.join("coordinator.toml"), configuration)?;
        let (process, address) = launch(folder, "127.0.0.1:0", 1).await?;
        Ok(Self {
            process,
            folder: folder.to_owned(),
            address,
            starts: 1,
        })
    }

    pub(super) async fn revive(&mut self) -> Result<()> {
        self.starts += 1;
        let (process, _) = launch(&self.folder, &self.address, self.starts).await?;
        self.process = process;
        Ok(())
    }

    /// A code with which one waypoint may enrol, once.
    pub(super) async fn enrol(&self, contents: &[Content]) -> Result<String> {
        let ids: Vec<&str> = contents.iter().map(|content| content.id.as_str()).collect();
        let mut command = Command::new(binary("runnel-coordinator")?);
        command
            .arg("enrol")
            .arg("--data")
            .arg(self.folder.join("coordinator"));
        let output = command
            .args(["--contents", &ids.join(",")])
            .output()
            .await?;
        if !output.status.success() {
            bail!("no enrolment: {}", String::from_utf8_lossy(&output.stderr));
        }
        let printed = String::from_utf8(output.stdout)?;
        let code = printed.lines().last().context("no enrolment code")?;
        Ok(code.trim().to_owned())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn door(&self) -> String {
        format!("ws://{}/v1/peer", self.address)
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    pub(super) fn into_process(self) -> Process {
        self.process
    }
}

async fn launch(folder: &Path, listen: &str, start: u32) -> Result<(Process, String)> {
    let mut command = Command::new(binary("runnel-coordinator")?);
    command.args(["--listen", listen]);
    command.arg("--data").arg(folder.join("coordinator"));
    command.arg("--config").arg(folder.join("coordinator.toml"));
    let mut process = Process::spawn(&format!("coordinator-{start}"), command, folder)?;
    let address = process.line("listening on http://", READY).await?;
    Ok((process, address))
}

fn configuration(contents: &[Content], enforced: &[&str]) -> String {
    let contents = contents.iter().map(|content| {
        let Content {
            id,
            url,
            media_origins,
        } = content;
        let enforce = enforced.contains(&id.as_str());
        format!(
            "\n[[content]]\nid = {id:?}\nprovider = \"demo\"\nurl = {url:?}\n\
             media_origins = {media_origins:?}\nenforce = {enforce}\n"
        )
    });
    // The origin is on loopback, where no waypoint would go without being told; and policies that
    // ask for a country find one.
    format!(
        "allow_private_origins = true\n\
         [[network]]\ncidr = \"127.0.0.0/8\"\nregion = \"here\"\ncountry = \"DE\"\n{}",
        contents.collect::<String>()
    )
}
