//! What is seen while the demo runs: a bar and a line for each pipeline on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Status;
use crate::clock;

const PLAIN_PERIOD: Duration = Duration::from_secs(3);

/// The demo's screen, on stderr: stdout is for the result.
pub struct Live {
    lines: u64,
    bar: ProgressBar,
    pipelines: Vec<ProgressBar>,
    screen: MultiProgress,
    last_plain: Option<Instant>,
    is_terminal: bool,
}

impl Live {
    pub fn new(lines: u64, pipelines: usize) -> Live {
        let is_terminal = std::io::stderr().is_terminal();
        let target =
            if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let screen = MultiProgress::with_draw_target(target);
        let styled = |bar: ProgressBar, template: &str| {
            // The templates are ours; a wrong one falls back to the default.
            bar.set_style(
                ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        };
        let bar = screen.add(ProgressBar::new(lines));
        let bar = styled(
            bar,
            "  writing       {bar:28} {percent:>3}%  {human_pos} of {human_len} records",
        );
        let pipelines = (0..pipelines)
            .map(|_| styled(screen.add(ProgressBar::new_spinner()), "  {msg}"))
            .collect();
        Live { lines, bar, pipelines, screen, last_plain: None, is_terminal }
    }

    /// All lines of the input.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Something that happened.
    pub fn say(&self, what: &str) {
        if !self.is_terminal {
            eprintln!("{what}");
        } else if self.screen.println(what).is_err() {
            // A terminal that went away: nobody reads this.
        }
    }

    /// How far the writer and the pipelines are.
    pub fn show(&mut self, written: u64, statuses: &[Status]) {
        self.bar.set_position(written);
        let texts: Vec<String> = statuses.iter().map(line).collect();
        for (row, text) in self.pipelines.iter().zip(&texts) {
            row.set_message(text.clone());
        }
        let due = self.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_PERIOD);
        if !self.is_terminal && due {
            self.last_plain = Some(clock::now());
            eprintln!("  written {written} of {}; {}", self.lines, texts.join("; "));
        }
    }

    /// Takes everything that moves off the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
        self.pipelines.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn line(status: &Status) -> String {
    let batch = status.batch_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    format!(
        "{:<13} {:<9} batch {batch:<5} {:>9} in {:>9} out {:>8} waiting",
        status.name, status.state, status.input_rows, status.output_rows, status.lag
    )
}
