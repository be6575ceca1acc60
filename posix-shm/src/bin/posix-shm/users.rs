//! The processes that use an object, as they are shown: `27 (server), 31 (viewer)`.

use unicode_width::UnicodeWidthStr;

use crate::procfs::{Use, command};
use crate::text::fitted;

/// Processes, with the names of their programs. They are read once.
#[derive(Default)]
pub(crate) struct Users {
    each: Vec<(u32, String)>,
    /// All of them; or what stands there if none is known.
    whole: String,
}

impl Users {
    /// Those who map the object come first. If there are none, `none` says what that means.
    pub(crate) fn new(users: &[(u32, Use)], none: &str) -> Users {
        let (maps, opens): (Vec<_>, Vec<_>) = users.iter().partition(|(_, how)| how.maps);
        let pids = maps.into_iter().chain(opens).map(|(pid, _)| pid);
        let each: Vec<_> = pids.map(|pid| (pid, command(pid))).collect();
        let whole = if each.is_empty() { none.to_owned() } else { listed(&each) };
        Users { each, whole }
    }

    /// All of them.
    pub(crate) fn whole(&self) -> &str {
        &self.whole
    }

    /// As many as have room in so many columns, and how many more there are: `27 (server) +3`. If
    /// there is no room for the name of a program, its number alone.
    pub(crate) fn fitted(&self, columns: usize) -> String {
        if self.whole.width() <= columns {
            return self.whole.clone();
        }
        let some = |with: fn(&[(u32, String)]) -> String| {
            let first = |n: usize| match self.each.len() - n {
                0 => with(&self.each),
                more => format!("{} +{more}", with(&self.each[..n])),
            };
            let fits = |text: &String| text.width() <= columns;
            (1..=self.each.len()).map(first).take_while(fits).last()
        };
        some(listed)
            .or_else(|| some(numbers))
            .unwrap_or_else(|| fitted(&self.whole, columns).into())
    }
}

/// "27 (server), 31 (viewer)".
pub(crate) fn listed(processes: &[(u32, String)]) -> String {
    let each = processes.iter().map(|(pid, command)| match &**command {
        // It has ended meanwhile.
        "" => pid.to_string(),
        command => format!("{pid} ({command})"),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn numbers(processes: &[(u32, String)]) -> String {
    processes.iter().map(|(pid, _)| pid.to_string()).collect::<Vec<_>>().join(", ")
}
