//! The tables of results: on the terminal, and in `bench/RESULTS.md`.

use comfy_table::{CellAlignment, Table, presets};

use crate::{
    cold_start::ColdStart,
    driver::Window,
    footprint::Footprint,
    live::{Live, report as live},
    machine::Machine,
    outside::{Faults, Page},
    reserve::{Reservations, Row},
};

/// The design's goals for `fusion` in the closed loop, as multiples of a peer's throughput.
const GOALS: [(&str, f64); 2] = [("Redis", 1.2), ("PostgreSQL", 30.0)];
/// The design's limit for a cold start with a million live holds, in seconds.
const COLD_START_SECONDS_MAX: f64 = 5.0;
/// The design's limit for the stall of an actor by a snapshot, in milliseconds.
const FREEZE_MS_MAX: f64 = 5.0;

/// All results of one run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The reservations.
    pub(crate) reservations: Option<Reservations>,
    /// The restart and the stall.
    pub(crate) cold_start: Option<ColdStart>,
    /// Memory and journal.
    pub(crate) footprint: Option<Footprint>,
    /// Carts and checkouts.
    pub(crate) checkout: Option<Vec<Row>>,
    /// The real-time API.
    pub(crate) live: Option<Live>,
    /// The drop page.
    pub(crate) page: Option<Page>,
    /// Hostile clients.
    pub(crate) faults: Option<Faults>,
}

impl Report {
    /// Formats the results for a terminal.
    pub(crate) fn terminal(&self, machine: &Machine) -> String {
        let mut text = format!("{}\n", machine_lines(machine).join("\n"));
        if let Some(reservations) = &self.reservations {
            text +=
                &format!("\n{}\n{}\n", title(reservations), loads(&reservations.rows, presets::UTF8_FULL_CONDENSED));
        }
        if let Some(rows) = &self.checkout {
            text += &format!("\nCarts and checkouts, closed loop\n{}\n", loads(rows, presets::UTF8_FULL_CONDENSED));
        }
        if let Some(table) = self.facts(presets::UTF8_FULL_CONDENSED) {
            text += &format!("\n{table}\n");
        }
        if let Some(live) = &self.live {
            text += &live::terminal(live);
        }
        for (_, about, table) in self.outside(presets::UTF8_FULL_CONDENSED) {
            text += &format!("\n{about}\n{table}\n");
        }
        text
    }

    /// Formats the results for `bench/RESULTS.md`.
    pub(crate) fn markdown(&self, machine: &Machine) -> String {
        let mut text = String::from(
            "# Results\n\nWritten by `bench run`; how it is measured and how to read it: [README.md](README.md).\n\n",
        );
        text += &machine_lines(machine).iter().map(|line| format!("- {line}\n")).collect::<String>();
        if let Some(reservations) = &self.reservations {
            text += "\n## Durable reservations\n\n";
            text += &format!("{}.\n\n{}\n\n", title(reservations), loads(&reservations.rows, presets::ASCII_MARKDOWN));
            text += &reservations.about.iter().map(|about| format!("- {about}\n")).collect::<String>();
            text += &format!("\nEach round:\n\n{}\n", rounds(&reservations.rows));
        }
        if let Some(rows) = &self.checkout {
            text += &format!("\n## Carts and checkouts\n\nClosed loop.\n\n{}\n", loads(rows, presets::ASCII_MARKDOWN));
            text += &format!("\nEach round:\n\n{}\n", rounds(rows));
        }
        if let Some(table) = self.facts(presets::ASCII_MARKDOWN) {
            text += &format!("\n## Cold start, stalls, memory and journal\n\n{table}\n");
        }
        if let Some(live) = &self.live {
            text += &live::markdown(live);
        }
        for (title, about, table) in self.outside(presets::ASCII_MARKDOWN) {
            text += &format!("\n## {title}\n\n{about}.\n\n{table}\n");
        }
        text
    }

    /// The results of programs in other languages: title, description, figures.
    fn outside(&self, preset: &str) -> Vec<(&'static str, String, Table)> {
        let page = self.page.as_ref().map(|page| ("The drop page", page.about(), page.table(preset)));
        let faults =
            self.faults.as_ref().map(|faults| ("Beside hostile clients", faults.about(), faults.table(preset)));
        page.into_iter().chain(faults).collect()
    }

    /// The results that are single figures.
    fn facts(&self, preset: &str) -> Option<Table> {
        let mut facts: Vec<[String; 3]> = Vec::new();
        if let Some(cold_start) = &self.cold_start {
            cold_start_facts(cold_start, &mut facts);
        }
        if let Some(footprint) = &self.footprint {
            footprint_facts(footprint, &mut facts);
        }
        if facts.is_empty() {
            return None;
        }
        let mut table = table(preset, &["measured", "value", "goal"]);
        table.add_rows(facts);
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        Some(table)
    }
}

fn title(reservations: &Reservations) -> String {
    format!(
        "Durable reservations, {} clients each, windows of {} s, medians",
        reservations.clients, reservations.seconds
    )
}

fn machine_lines(machine: &Machine) -> Vec<String> {
    let mut lines = vec![
        format!("{}, commit {}", machine.date, machine.commit),
        format!(
            "{} cores of {}, {:.1} GiB of memory, Linux {} ({})",
            machine.cores,
            machine.cpu,
            machine.memory_bytes as f64 / (1_u64 << 30) as f64,
            machine.kernel,
            machine.system
        ),
        format!(
            "data on {}; fdatasync after 4 KiB: p50 {:.2} ms, p99 {:.2} ms",
            machine.file_system, machine.sync_ms.0, machine.sync_ms.1
        ),
    ];
    if machine.forced {
        lines.push(format!("FORCED on a busy machine: load average {:.2} at the start", machine.load));
    } else {
        lines.push(format!("load average {:.2} at the start", machine.load));
    }
    lines
}

pub(crate) fn table(preset: &str, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(preset).set_header(header);
    table
}

/// A table in which all columns except the first are numbers.
pub(crate) fn numbers(preset: &str, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = table(preset, header);
    table.add_rows(rows);
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The table of a load: throughput, latency, CPU, and `fusion` as a multiple of each peer.
fn loads(rows: &[Row], preset: &str) -> Table {
    const HEADER: [&str; 10] = [
        "",
        "loop",
        "ops/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "server µs/op",
        "generator µs/op",
        "other CPU",
        "fusion is",
    ];
    let mut table = table(preset, &HEADER);
    let ours = rows.iter().find(|row| row.name.starts_with("fusion") && row.rate.is_none()).map(Row::per_second);
    for row in rows {
        table.add_row([
            row.name.clone(),
            row.rate.map_or("closed".to_owned(), |rate| format!("open, {}/s", thousands(rate))),
            thousands(row.per_second()),
            digits(row.median(|window| window.latency_ms(50.0))),
            digits(row.median(|window| window.latency_ms(99.0))),
            digits(row.median(|window| window.latency_ms(99.9))),
            format!("{:.1}", row.median(Window::server_us)),
            format!("{:.1}", row.median(Window::generator_us)),
            format!("{:.0} %", row.median(|window| window.cpu.others_share * 100.0)),
            ratio(row, ours),
        ]);
    }
    for column in 2..HEADER.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn ratio(row: &Row, ours: Option<f64>) -> String {
    let Some(ours) = ours.filter(|_| row.rate.is_none()) else { return String::new() };
    let ratio = ours / row.per_second();
    match GOALS.iter().find(|(name, _)| row.name == *name) {
        Some((_, goal)) => format!("{} × (goal ≥ {goal})", digits(ratio)),
        None => format!("{} ×", digits(ratio)),
    }
}

/// The table of all rounds: a median hides how far apart they were.
pub(crate) fn rounds<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Table {
    const HEADER: [&str; 10] = [
        "",
        "loop",
        "round",
        "ops/s",
        "p99 ms",
        "max ms",
        "refused",
        "sent late p99 ms",
        "server CPU",
        "generator CPU",
    ];
    let mut table = table(presets::ASCII_MARKDOWN, &HEADER);
    for row in rows {
        for (index, window) in row.rounds.iter().enumerate() {
            let cores = |seconds: f64| format!("{:.2} cores", seconds / window.seconds.max(1e-9));
            let late = window.lateness.value_at_percentile(99.0) as f64 / 1e6;
            table.add_row([
                row.name.clone(),
                row.rate.map_or("closed".to_owned(), |rate| format!("open, {}/s", thousands(rate))),
                (index + 1).to_string(),
                thousands(window.per_second()),
                digits(window.latency_ms(99.0)),
                digits(window.latency.max() as f64 / 1e6),
                window.refused.to_string(),
                row.rate.map_or(String::new(), |_| digits(late)),
                cores(window.cpu.server_seconds),
                cores(window.cpu.generator_seconds),
            ]);
        }
    }
    table
}

fn cold_start_facts(cold_start: &ColdStart, facts: &mut Vec<[String; 3]>) {
    let goal = match cold_start.holds {
        1_000_000.. => format!("< {COLD_START_SECONDS_MAX} s"),
        _ => String::new(),
    };
    let holds = thousands(cold_start.holds as f64);
    for restart in &cold_start.restarts {
        facts.push([
            format!("{holds} live holds on one drop: first claim answered after {}", restart.after),
            format!("{:.2} s", restart.first_claim_seconds),
            goal.clone(),
        ]);
        let ready = format!("the same, until /readyz says 200 (at most, after {})", restart.after);
        facts.push([ready, format!("{:.2} s", restart.ready_seconds), String::new()]);
    }
    let plain = |what: &str, value: String| [what.to_owned(), value, String::new()];
    facts.push(plain("clean stop (SIGTERM) with them", format!("{:.2} s", cold_start.stop_seconds)));
    facts.push(plain("making them", format!("{}/s", thousands(cold_start.filling.per_second()))));
    facts.push(plain("server's memory with them", mebibytes(cold_start.resident_bytes as f64)));
    facts.push(plain("data folder with them", mebibytes(cold_start.data_bytes as f64)));

    let stall = &cold_start.stall;
    let rate = thousands(stall.rate);
    let ms = |value: Option<f64>, none: &str| value.map_or(none.to_owned(), |ms| format!("{} ms", digits(ms)));
    let unseen = format!("no snapshot in {:.0} s", stall.seconds);
    facts.push([
        format!("longest claim at {rate}/s in 5 s with a snapshot of the drop"),
        ms(stall.with_snapshot_ms_max, &unseen),
        String::new(),
    ]);
    facts.push(plain("the same in 5 s without one", ms(stall.without_ms_max, "not measured")));
    facts.push(plain("p99.9 of all of them", ms(Some(stall.p999_ms), "")));
    facts.push([
        "no freeze longer than, by the server's own metric".to_owned(),
        ms(stall.reported_ms_max, "no such metric"),
        format!("≤ {FREEZE_MS_MAX} ms"),
    ]);
}

fn footprint_facts(footprint: &Footprint, facts: &mut Vec<[String; 3]>) {
    let carts = thousands(footprint.carts as f64);
    let reservations = thousands(footprint.reservations as f64);
    let mut add = |what: String, value: String| facts.push([what, value, String::new()]);
    add("server's memory before them".to_owned(), mebibytes(footprint.base_bytes as f64));
    add(format!("memory for each idle cart without lines ({carts} carts)"), bytes(footprint.empty_cart_bytes));
    add("memory for each idle cart with one line".to_owned(), bytes(footprint.cart_bytes));
    if let Some(appended) = footprint.journal_appended_bytes {
        add(format!("journal for each reservation, appended ({reservations} of them)"), bytes(appended));
    }
    let folder = footprint.journal_folder;
    add(format!("the same by the length of the files ({folder})"), bytes(footprint.journal_length_bytes));
    add("the same as allocated on disk".to_owned(), bytes(footprint.journal_allocated_bytes));
}

pub(crate) fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / (1_u64 << 20) as f64)
}

pub(crate) fn bytes(bytes: f64) -> String {
    format!("{} B", thousands(bytes))
}

/// Formats a whole number with thousands separators.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("-{text}") } else { text }
}

/// Formats a number with three significant digits.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        small if small < 100.0 => format!("{value:.1}"),
        _ => thousands(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, rate: Option<f64>, operations: &[u64]) -> Row {
        let window = |operations: &u64| {
            let mut window = Window::new();
            (window.operations, window.seconds) = (*operations, 1.0);
            window
        };
        Row { name: name.to_owned(), rate, rounds: operations.iter().map(window).collect() }
    }

    #[test]
    fn the_ratio_of_the_medians_is_shown_next_to_its_goal() {
        let ours = row("fusion REST", None, &[90, 60, 10_000]);
        let redis = row("Redis", None, &[1, 30, 45]);
        assert_eq!(ratio(&redis, Some(ours.per_second())), "3.00 × (goal ≥ 1.2)");
        assert_eq!(ratio(&row("Redis", Some(5.0), &[30]), Some(90.0)), "", "rates differ in the open loop");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(-1_000.0), "-1,000");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(digits(0.123), "0.12");
        assert_eq!(digits(12.34), "12.3");
        assert_eq!(digits(1_234.0), "1,234");
    }

    #[test]
    fn a_table_has_a_line_for_each_contender_and_loop() {
        let rows = [row("fusion REST", None, &[90]), row("Redis", None, &[30]), row("Redis", Some(15.0), &[15])];
        let text = loads(&rows, presets::ASCII_MARKDOWN).to_string();
        assert_eq!(text.lines().count(), 2 + rows.len(), "{text}");
    }
}
