//! The limit of file descriptors, and how many of them connections may use.
//!
//! Connections, and all files of the journal, the snapshots and the database use descriptors. If connections could
//! use up all of them, a client could stop the journal by opening many: its next file could not be opened.

use gateway::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors reserved for everything but connections: 32 cached files, 64 spare ones and some 30 at once in the
/// journal's flush; as many cached and at once for the snapshots; 5 connections to SQLite with 3 files each; uploads,
/// mails, the admin socket, and the runtime's own. An idle server has some 100 open.
pub(crate) const FILES_RESERVE: u64 = 320;
/// The minimum number of connections to serve with: browsers open six each.
const CONNECTIONS_MIN: u64 = 64;
/// If connections had to be reduced, one address gets at most this part of them: one client cannot lock out the others.
const SHARE_OF_ADDRESS: usize = 4;

/// The system's limit of open files is too low.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may open {limit} files and connections, and needs at least {needed}: raise the limit (ulimit -n \
     {needed}, LimitNOFILE={needed} in a systemd unit, --ulimit nofile={needed} for a container)"
)]
pub(crate) struct TooFewDescriptors {
    limit: u64,
    needed: u64,
}

/// Raises the soft limit of open files to the hard one, and returns the limit in effect. `u64::MAX`: no limit.
pub(crate) fn raise_limit() -> u64 {
    let before = getrlimit(Resource::Nofile);
    if before.current != before.maximum {
        let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
        // Some systems refuse what they report as their maximum; then the old limit stays.
        if let Err(error) = setrlimit(Resource::Nofile, wanted) {
            tracing::warn!(%error, limit = ?before.current, "the limit of open files could not be raised");
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Reduces the connection limits of `settings` to what `limit` descriptors allow.
pub(crate) fn bound_connections(settings: &mut Settings, limit: u64) -> Result<(), TooFewDescriptors> {
    let needed = FILES_RESERVE + CONNECTIONS_MIN;
    if limit < needed {
        return Err(TooFewDescriptors { limit, needed });
    }
    settings.descriptors_max = limit - FILES_RESERVE;
    let left = usize::try_from(settings.descriptors_max).unwrap_or(usize::MAX);
    if settings.connections_max > left {
        tracing::warn!(
            limit,
            connections_max = settings.connections_max,
            connections = left,
            "the limit of open files leaves fewer connections than connections_max"
        );
        settings.connections_max = left;
        let share = left / SHARE_OF_ADDRESS;
        settings.connections_per_address_max = settings.connections_per_address_max.min(share);
        settings.live_per_address_max = settings.live_per_address_max.min(share);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_refused_with_the_figure_needed() {
        let needed = FILES_RESERVE + CONNECTIONS_MIN;
        let mut settings = Settings::default();
        let refused = bound_connections(&mut settings, needed - 1).unwrap_err().to_string();
        assert!(refused.contains(&(needed - 1).to_string()) && refused.contains(&format!("ulimit -n {needed}")));
        assert_eq!(settings.connections_max, Settings::default().connections_max);
        bound_connections(&mut settings, needed).unwrap();
        assert_eq!(settings.connections_max as u64, CONNECTIONS_MIN);
        assert_eq!(settings.faults(), []);
    }

    #[test]
    fn files_keep_their_reserve_and_no_address_takes_all() {
        let mut settings = Settings::default();
        bound_connections(&mut settings, 1_024).unwrap();
        assert_eq!(settings.connections_max as u64, 1_024 - FILES_RESERVE);
        assert_eq!(settings.descriptors_max, 1_024 - FILES_RESERVE);
        assert!(2 * settings.connections_per_address_max <= settings.connections_max);
        assert!(2 * settings.live_per_address_max <= settings.connections_max);
    }

    #[test]
    fn a_generous_limit_changes_nothing_that_was_configured() {
        let (mut settings, before) = (Settings::default(), Settings::default());
        bound_connections(&mut settings, u64::MAX).unwrap();
        assert_eq!(settings.connections_max, before.connections_max);
        assert_eq!(settings.connections_per_address_max, before.connections_per_address_max);
        assert_eq!(settings.live_per_address_max, before.live_per_address_max);
    }
}
