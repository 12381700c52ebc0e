//! How much of the cores a control group gives.

use std::path::{Component, Path};

use super::read::text;

/// The deepest path of a control group that is followed.
const DEEPEST: usize = 64;

/// How many cores' time the control groups of this process allow it, if they limit it, as files below `root` say that
/// are laid out as `/sys` and `/proc` of Linux: 1.5 is one core and a half. The strictest group counts, be it of the
/// first or second version.
pub fn quota(root: &Path) -> Option<f64> {
    let groups = text(&root.join("proc/self/cgroup"))?;
    let mut least: Option<f64> = None;
    for line in groups.lines() {
        // The hierarchy's number, its controllers, the path.
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next(), fields.next(), fields.next());
        let (Some(controllers), Some(path)) =
            (controllers, path.and_then(|it| it.strip_prefix('/')))
        else {
            continue;
        };
        let second = controllers.is_empty();
        let base = match (second, controllers.split(',').any(|it| it == "cpu")) {
            (true, _) => "sys/fs/cgroup",
            (false, true) => "sys/fs/cgroup/cpu",
            (false, false) => continue,
        };
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
        let path = Path::new(path);
        // Groups outside of what a container sees begin with `..`.
        let path = if path.components().all(inside) { path } else { Path::new("") };
        let above = path.ancestors().filter(|it| it.components().count() <= DEEPEST);
        for group in above {
            let folder = root.join(base).join(group);
            let share = if second { of_second(&folder) } else { of_first(&folder) };
            least = [least, share].into_iter().flatten().reduce(f64::min);
        }
    }
    least
}

/// `cpu.max`: the quota, or `max`, and the period, in microseconds.
fn of_second(folder: &Path) -> Option<f64> {
    let text = text(&folder.join("cpu.max"))?;
    let mut numbers = text.split_whitespace();
    share(numbers.next()?, numbers.next()?)
}

fn of_first(folder: &Path) -> Option<f64> {
    let read = |name: &str| text(&folder.join(name));
    share(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())
}

fn share(quota: &str, period: &str) -> Option<f64> {
    // Without a limit, the quota is `max`, or -1.
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0 && period > 0).then_some(quota as f64 / period as f64)
}
