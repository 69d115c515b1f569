//! The tables of the real-time API: on the terminal, and in `bench/RESULTS.md`.

use comfy_table::{Table, presets};

use super::{Live, claims::LiveClaims, fan_out::FanOut, idle::Idle, rush::Rush};
use crate::{
    driver::Window,
    report::{bytes, digits, mebibytes, numbers, rounds, thousands},
    reserve::{Row, median},
};

/// The design's goals for reservations over WebSocket, as multiples of Redis with one in a write.
const CLAIMS_GOALS: [(bool, f64); 2] = [(false, 2.0), (true, 8.0)];
/// The design's goals for the cost of a delivery, as a fraction of Bun's cost, for each size of burst.
const FAN_OUT_GOALS: [(usize, f64); 3] = [(1, 1.1), (10, 1.2), (100, 3.0)];
/// The design's limit for the memory of an idle connection, in bytes.
const IDLE_BYTES_MAX: f64 = 5.0 * 1024.0;

/// Formats the results for a terminal.
pub(crate) fn terminal(live: &Live) -> String {
    sections(live, presets::UTF8_FULL_CONDENSED)
        .into_iter()
        .map(|section| format!("\n{}\n{}\n", section.about, section.table))
        .collect()
}

/// Formats the results for `bench/RESULTS.md`.
pub(crate) fn markdown(live: &Live) -> String {
    let written = |section: Section| {
        let notes: String = section.notes.iter().map(|note| format!("- {note}\n")).collect();
        let notes = if notes.is_empty() { notes } else { format!("\n{notes}") };
        let rounds = section.rounds.map_or(String::new(), |rounds| format!("\nEach round:\n\n{rounds}\n"));
        format!("\n## {}\n\n{}.\n\n{}\n{notes}{rounds}", section.title, section.about, section.table)
    };
    sections(live, presets::ASCII_MARKDOWN).into_iter().map(written).collect()
}

struct Section {
    title: &'static str,
    about: String,
    table: Table,
    notes: Vec<String>,
    rounds: Option<Table>,
}

fn sections(live: &Live, preset: &str) -> Vec<Section> {
    let claims = live.claims.as_ref().map(|claims| Section {
        title: "Reservations over WebSocket",
        about: format!(
            "Durable reservations over WebSocket, closed loop, {} clients each, one message in flight on each, windows of \
             {} s, medians; latency is a message's, the rest is for each claim",
            claims.clients, claims.seconds
        ),
        table: claims_table(claims, preset),
        notes: claims.about.clone(),
        rounds: Some(rounds(claims.rows.iter().map(|(row, _)| row))),
    });
    let fan_out = live.fan_out.as_ref().map(|fan_out| Section {
        title: "Fan-out",
        about: format!(
            "Events delivered to {} connections, medians of the rounds; net: without the cost of creating the events",
            thousands(fan_out.listeners as f64)
        ),
        table: fan_out_table(fan_out, preset),
        notes: fan_out.about.clone(),
        rounds: Some(fan_out_rounds(fan_out)),
    });
    let idle = live.idle.as_ref().map(|idle| Section {
        title: "Silent connections",
        about: format!(
            "{} connections that are subscribed and have received nothing for 10 s{}",
            thousands(idle.connections as f64),
            limited(idle.limited)
        ),
        table: idle_table(idle, preset),
        notes: Vec::new(),
        rounds: Some(idle_rounds(idle)),
    });
    let rush = live.rush.as_ref().map(|rush| Section {
        title: "A rush with many viewers",
        about: format!(
            "{} connections look at a drop of {} units while {} buyers claim over connections of their own{}",
            thousands(rush.onlookers as f64),
            thousands(rush.units as f64),
            thousands(rush.buyers as f64),
            limited(rush.limited)
        ),
        table: rush_table(rush, preset),
        notes: Vec::new(),
        rounds: None,
    });
    [claims, fan_out, idle, rush].into_iter().flatten().collect()
}

fn limited(limited: bool) -> &'static str {
    if limited { "; RLIMIT_NOFILE allowed no more" } else { "" }
}

fn claims_table(claims: &LiveClaims, preset: &str) -> Table {
    const HEADER: [&str; 10] = [
        "",
        "in a message",
        "claims/s",
        "p50 ms",
        "p99 ms",
        "server µs/claim",
        "generator µs/claim",
        "other CPU",
        "× Redis",
        "× Redis with as many",
    ];
    let redis = |batch: usize| {
        let found = claims.rows.iter().find(|(row, many)| *many == batch && row.name.starts_with("Redis"));
        found.map(|(row, _)| row.per_second())
    };
    let row = |(row, batch): &(Row, usize)| {
        vec![
            row.name.clone(),
            batch.to_string(),
            thousands(row.per_second()),
            digits(row.median(|window| window.latency_ms(50.0))),
            digits(row.median(|window| window.latency_ms(99.0))),
            format!("{:.1}", row.median(Window::server_us)),
            format!("{:.1}", row.median(Window::generator_us)),
            format!("{:.0} %", row.median(|window| window.cpu.others_share * 100.0)),
            multiple(row, *batch, redis(1)),
            redis(*batch).map_or(String::new(), |redis| format!("{} ×", digits(row.per_second() / redis))),
        ]
    };
    numbers(preset, &HEADER, claims.rows.iter().map(row))
}

/// The multiple of Redis with one reservation in a write, with the goal.
fn multiple(row: &Row, batch: usize, redis: Option<f64>) -> String {
    let Some(redis) = redis else { return String::new() };
    let multiple = digits(row.per_second() / redis);
    let goal = CLAIMS_GOALS.iter().find(|(many, _)| *many == (batch > 1) && row.name.starts_with("fusion"));
    goal.map_or(format!("{multiple} ×"), |(_, goal)| format!("{multiple} × (goal ≥ {goal})"))
}

fn fan_out_table(fan_out: &FanOut, preset: &str) -> Table {
    const HEADER: [&str; 9] = [
        "",
        "burst",
        "bytes",
        "deliveries a round",
        "gross µs/delivery",
        "net µs/delivery",
        "burst p50 ms",
        "generator µs/delivery",
        "fusion's net is",
    ];
    let ours = |burst: usize| fan_out.rows.iter().find(|row| row.name == "fusion" && row.burst == burst);
    let rows = fan_out.rows.iter().map(|row| {
        let ratio = ours(row.burst).filter(|_| row.name != "fusion").map(|ours| {
            let goal = FAN_OUT_GOALS.iter().find(|(burst, _)| *burst == row.burst && row.name == "Bun");
            let ratio = format!("{} ×", digits(ours.net_us() / row.net_us()));
            goal.map_or(ratio.clone(), |(_, goal)| format!("{ratio} (goal ≤ 1/{goal})"))
        });
        vec![
            row.name.to_owned(),
            row.burst.to_string(),
            format!("{:.0}", row.payload_bytes),
            thousands(row.deliveries as f64),
            digits(median(&row.gross_us)),
            digits(row.net_us()),
            digits(median(&row.burst_ms)),
            digits(median(&row.generator_us)),
            ratio.unwrap_or_default(),
        ]
    });
    numbers(preset, &HEADER, rows)
}

fn fan_out_rounds(fan_out: &FanOut) -> Table {
    const HEADER: [&str; 6] = ["", "burst", "round", "gross µs/delivery", "making µs/delivery", "burst p50 ms"];
    let rows = fan_out.rows.iter().flat_map(|row| {
        let figures = row.gross_us.iter().zip(&row.making_us).zip(&row.burst_ms).enumerate();
        figures.map(|(index, ((gross, making), ms))| {
            let round = (index + 1).to_string();
            vec![row.name.to_owned(), row.burst.to_string(), round, digits(*gross), digits(*making), digits(*ms)]
        })
    });
    numbers(presets::ASCII_MARKDOWN, &HEADER, rows)
}

fn idle_rounds(idle: &Idle) -> Table {
    let rows = idle.rows.iter().flat_map(|row| {
        row.base_bytes.iter().zip(&row.each_bytes).enumerate().map(|(index, (base, each))| {
            vec![row.name.clone(), (index + 1).to_string(), mebibytes(*base), bytes(*each)]
        })
    });
    numbers(presets::ASCII_MARKDOWN, &["", "round", "memory before", "for each connection"], rows)
}

fn idle_table(idle: &Idle, preset: &str) -> Table {
    let rows = idle.rows.iter().map(|row| {
        let goal = if row.name == "fusion" { format!("≤ {}", bytes(IDLE_BYTES_MAX)) } else { String::new() };
        vec![row.name.clone(), mebibytes(median(&row.base_bytes)), bytes(row.each()), goal]
    });
    numbers(preset, &["", "memory before", "for each connection", "goal"], rows)
}

fn rush_table(rush: &Rush, preset: &str) -> Table {
    let ms = |nanoseconds: u64| format!("{} ms", digits(nanoseconds as f64 / 1e6));
    let at = |percentile: f64| ms(rush.latency.value_at_percentile(percentile));
    let [least, median, most] = rush.states;
    let facts = [
        ("claims taken", thousands(rush.taken as f64)),
        ("buyers who received sold_out", thousands(rush.sold_out as f64)),
        ("temporarily refused (429, 503) and retried", thousands(rush.refused as f64)),
        ("an answer: p50", at(50.0)),
        ("an answer: p99", at(99.0)),
        ("an answer: the longest", ms(rush.latency.max())),
        ("from the first claim to the last answer", format!("{:.3} s", rush.seconds)),
        ("states sent to a connection (minimum, median, maximum)", format!("{least}, {median}, {most}")),
        ("from the last claim's answer until half had seen the final state", ms(rush.seen.value_at_percentile(50.0))),
        ("the same, until the last had", ms(rush.seen.max())),
        ("from the first claim until the last had", format!("{:.3} s", rush.seen_seconds)),
        ("server's CPU in the rush", format!("{:.2} s", rush.cpu.server_seconds)),
        ("generator's CPU in the rush", format!("{:.2} s", rush.cpu.generator_seconds)),
        ("connections that were dropped", "0".to_owned()),
    ];
    let rows = facts.into_iter().map(|(what, value)| vec![what.to_owned(), value]);
    numbers(preset, &["measured", "value"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::fan_out::FanOutRow;

    fn row(name: &str, per_second: u64) -> Row {
        let mut window = Window::new();
        (window.operations, window.seconds) = (per_second, 1.0);
        Row { name: name.to_owned(), rate: None, rounds: vec![window] }
    }

    #[test]
    fn the_goals_are_against_redis_with_one_in_a_write() {
        assert_eq!(multiple(&row("fusion JSON", 90), 1, Some(30.0)), "3.00 × (goal ≥ 2)");
        assert_eq!(multiple(&row("fusion JSON × 64", 270), 64, Some(30.0)), "9.00 × (goal ≥ 8)");
        assert_eq!(multiple(&row("Redis × 64", 60), 64, Some(30.0)), "2.00 ×");
        let rows = vec![(row("fusion JSON × 64", 270), 64), (row("Redis × 64", 60), 64), (row("Redis", 30), 1)];
        let claims = LiveClaims { clients: 1, seconds: 1.0, rows, about: Vec::new() };
        let text = claims_table(&claims, presets::ASCII_MARKDOWN).to_string();
        assert!(text.contains("9.00 × (goal ≥ 8)") && text.contains("4.50 ×"), "{text}");
    }

    #[test]
    fn the_cost_of_creating_events_is_not_part_of_the_delivery_cost() {
        let telling = |name, gross: &[f64], making: &[f64]| FanOutRow {
            name,
            burst: 10,
            payload_bytes: 128.0,
            deliveries: 1,
            gross_us: gross.to_vec(),
            making_us: making.to_vec(),
            burst_ms: vec![1.0],
            generator_us: vec![1.0],
        };
        let ours = telling("fusion", &[5.0, 3.0, 9.0], &[1.0, 1.0, 7.0]);
        assert_eq!(ours.net_us(), 4.0);
        let rows = vec![ours, telling("Bun", &[8.0], &[0.0])];
        let text =
            fan_out_table(&FanOut { listeners: 1, rows, about: Vec::new() }, presets::ASCII_MARKDOWN).to_string();
        assert!(text.contains("0.50 × (goal ≤ 1/1.2)"), "{text}");
    }
}
