//! The server's own figures, from its Prometheus page.

/// The samples of one scrape.
#[derive(Debug, Default, Clone)]
pub(crate) struct Metrics {
    samples: Vec<(String, String, f64)>,
}

impl Metrics {
    /// Reads the text exposition format; what it does not understand it skips.
    pub(crate) fn parse(page: &str) -> Self {
        let sample = |line: &str| {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                return None;
            }
            let (name, rest) = line.split_at(line.find(['{', ' '])?);
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.split_at_checked(rest.rfind('}')?)?,
                None => ("", rest),
            };
            let value = value.trim_start_matches('}').split_ascii_whitespace().next()?.parse().ok()?;
            Some((name.to_owned(), labels.to_owned(), value))
        };
        Self { samples: page.lines().filter_map(sample).collect() }
    }

    /// The sum of a metric over all its labels.
    pub(crate) fn sum(&self, name: &str) -> Option<f64> {
        let values: Vec<f64> =
            self.samples.iter().filter(|(sample, _, _)| sample == name).map(|(_, _, value)| *value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The greatest observation of a metric: its `_max`, else its highest quantile, else its plain value. A
    /// histogram's buckets give only a bound, and are not used.
    pub(crate) fn greatest(&self, name: &str) -> Option<f64> {
        let max = format!("{name}_max");
        let of = |wanted: &str| {
            let values = self.samples.iter().filter(|(sample, _, _)| sample == wanted).map(|(_, _, value)| *value);
            values.filter(|value| value.is_finite()).reduce(f64::max)
        };
        of(&max).or_else(|| of(name))
    }

    /// How many snapshots have been made, by whichever of the server's counters is there.
    pub(crate) fn snapshots(&self) -> Option<f64> {
        let counters = ["fusion_snapshots_total", "fusion_snapshot_freeze_seconds_count", "fusion_checkpoints_total"];
        counters.iter().find_map(|name| self.sum(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_added_up_and_the_greatest_is_found() {
        let page = "# TYPE a counter\nfusion_journal_bytes_total{shard=\"0\"} 10\nfusion_journal_bytes_total{shard=\"1\"} 5e1\n\
                    fusion_snapshot_freeze_seconds{quantile=\"0.5\"} 0.001\nfusion_snapshot_freeze_seconds{quantile=\"1\"} 0.004\n\
                    fusion_snapshot_freeze_seconds_count 7\nodd line without value}\nother NaN\n";
        let metrics = Metrics::parse(page);
        assert_eq!(metrics.sum("fusion_journal_bytes_total"), Some(60.0));
        assert_eq!(metrics.greatest("fusion_snapshot_freeze_seconds"), Some(0.004));
        assert_eq!(metrics.snapshots(), Some(7.0));
        assert_eq!(metrics.sum("missing"), None);
    }
}
