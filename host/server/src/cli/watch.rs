//! `tidemill pipeline status --watch`: the same lines again each second, in place on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use super::output::write_line;
use super::pipeline::{Status, status_text};
use super::{Failure, Output};
use crate::client::Client;

const PERIOD: Duration = Duration::from_secs(1);

/// Shows a pipeline's status until it ends. One that failed makes the command fail.
pub async fn watch(client: &Client, pipeline: &str, output: Output) -> Result<(), Failure> {
    let path = client.pipeline_path(pipeline);
    let in_place = std::io::stdout().is_terminal();
    let mut shown_lines = 0;
    loop {
        let status: Status = client.get_json(&path).await?;
        let text = match output {
            Output::Json => serde_json::to_string(&status).map_err(Failure::Encode)?,
            Output::Text => status_text(&status),
        };
        if in_place && output == Output::Text && shown_lines > 0 {
            // Up by as many lines as stand there, and everything below the cursor away.
            write_line(format!("\x1b[{shown_lines}A\x1b[J{text}").as_bytes())?;
        } else {
            write_line(text.as_bytes())?;
        }
        shown_lines = text.lines().count();
        if status.state == "failed" {
            let what =
                format!("pipeline `{pipeline}` failed: {}", status.reason.unwrap_or_default());
            let hint = format!("`tidemill pipeline start {pipeline}` goes on at its last commit");
            return Err(Failure::PipelineFailed { what, hint });
        }
        if status.has_ended() {
            return Ok(());
        }
        tokio::time::sleep(PERIOD).await;
    }
}
