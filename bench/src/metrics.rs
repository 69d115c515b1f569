//! The server's own figures, from its Prometheus page.

/// The samples of one scrape.
#[derive(Debug, Default, Clone)]
pub(crate) struct Metrics {
    samples: Vec<(String, String, f64)>,
}

impl Metrics {
    /// Reads the text exposition format, and skips what it does not understand.
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

    /// The lowest known upper bound of a metric's observations: its `_max` or its highest quantile if it has one,
    /// otherwise the bound of the highest non-empty bucket of its histogram (infinite beyond the last bound).
    pub(crate) fn greatest(&self, name: &str) -> Option<f64> {
        let (max, bucket) = (format!("{name}_max"), format!("{name}_bucket"));
        let of = |wanted: &str| {
            let values = self.samples.iter().filter(|(sample, _, _)| sample == wanted).map(|(_, _, value)| *value);
            values.filter(|value| value.is_finite()).reduce(f64::max)
        };
        of(&max).or_else(|| of(name)).or_else(|| {
            let buckets = self.samples.iter().filter(|(sample, _, _)| *sample == bucket);
            let mut counts: Vec<(f64, f64)> =
                buckets.filter_map(|(_, labels, at_most)| Some((le(labels)?, *at_most))).collect();
            counts.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
            let all = counts.last()?.1;
            counts.iter().find(|(_, at_most)| *at_most >= all && all > 0.0).map(|(bound, _)| *bound)
        })
    }

    /// The number of times that an entity was frozen for a snapshot.
    pub(crate) fn freezes(&self) -> f64 {
        self.sum("fusion_snapshot_freeze_seconds_count").unwrap_or(0.0)
    }

    /// The bytes of snapshots written, if the server counts them.
    pub(crate) fn snapshot_bytes(&self) -> Option<f64> {
        self.sum("fusion_snapshot_bytes_total")
    }
}

/// The upper bound of a histogram bucket.
fn le(labels: &str) -> Option<f64> {
    let bound = labels.split(',').find_map(|label| label.trim().strip_prefix("le=\"")?.strip_suffix('"'))?;
    bound.parse().ok()
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
        assert_eq!(metrics.freezes(), 7.0);
        assert_eq!(metrics.sum("missing"), None);
        assert_eq!(metrics.greatest("missing"), None);
    }

    #[test]
    fn of_a_histogram_the_highest_bucket_in_use_bounds_the_greatest() {
        let page = |counts: [u32; 3]| {
            let [a, b, all] = counts;
            Metrics::parse(&format!(
                "s_bucket{{le=\"0.001\"}} {a}\ns_bucket{{le=\"0.005\"}} {b}\ns_bucket{{le=\"+Inf\"}} {all}\n"
            ))
        };
        assert_eq!(page([3, 7, 7]).greatest("s"), Some(0.005));
        assert_eq!(page([7, 7, 7]).greatest("s"), Some(0.001));
        assert_eq!(page([3, 7, 8]).greatest("s"), Some(f64::INFINITY));
        assert_eq!(page([0, 0, 0]).greatest("s"), None);
    }
}
