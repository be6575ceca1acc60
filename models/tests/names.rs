//! Names, with three processes.

use std::collections::BTreeSet;

use posix_shm_models::explorer::{Broken, Explored, explore};
use posix_shm_models::names::{Ask, Mutation, Namespace, Policy, Rules, Task, Way, program};

use Policy::{Create, Open, OpenOrCreate, Supersede};
use Task::{Clean, OpenAndLeave, OpenAndUnlink};

/// A world, and what processes do in it.
struct Scenario {
    name: &'static str,
    world: Namespace,
    tasks: Vec<Task>,
}

impl Scenario {
    fn explore(&self, mutation: Option<Mutation>) -> Result<Explored, Broken> {
        let programs: Vec<_> = self.tasks.iter().map(|task| program(*task, mutation)).collect();
        explore(self.world, &programs)
    }
}

const NONE: Rules = Rules {
    incomplete_is_visible: false,
    name_stays: false,
    never_free: false,
    gap_after_comparing: false,
    superseding: false,
    last_removes: false,
    patient: false,
};

fn open(policy: Policy) -> Task {
    Task::Open(Ask::new(policy))
}

fn present(policy: Policy) -> Task {
    Task::Open(Ask::new(policy).present())
}

fn by(policy: Policy, ways: &'static [Way]) -> Ask {
    Ask::new(policy).ways(ways)
}

fn scenarios() -> Vec<Scenario> {
    let stays = Rules { name_stays: true, ..NONE };
    let replaced = Rules { never_free: true, ..NONE };
    let gap = Rules { gap_after_comparing: true, ..NONE };
    let superseding = Rules { superseding: true, ..NONE };
    let visible = Rules { incomplete_is_visible: true, ..NONE };
    let of = |name, rules, tasks: &[Task]| Scenario {
        name,
        world: Namespace::new(rules),
        tasks: tasks.to_vec(),
    };
    const TEMPORARY: &[Way] = &[Way::Temporary, Way::Named];
    const NAMED: &[Way] = &[Way::Named];
    let temporary = |policy| Task::Open(by(policy, TEMPORARY));
    let old = |policy| Task::Open(Ask { no_renameat2: true, ..by(policy, TEMPORARY) });
    let no_link = |policy| Task::Open(Ask { no_link: true, look_first: true, ..Ask::new(policy) });
    let sized = |policy| Task::Open(Ask { at_least: true, ..by(policy, NAMED) });
    let present_named = |policy| Task::Open(by(policy, NAMED).present());
    let present_temporary = |policy| Task::Open(by(policy, TEMPORARY).present());
    vec![
        of("create", stays, &[open(Create), open(Create), open(Open)]),
        of("create, temporary names", stays, &[temporary(Create), temporary(Create), open(Open)]),
        of("create, linked temporary names", stays, &[old(Create), old(OpenOrCreate), open(Open)]),
        of("publish, linking forbidden", stays, &[no_link(Create), no_link(Create), open(Open)]),
        of("supersede", replaced, &[open(Supersede), open(Supersede), open(Open)]),
        of("supersede and create", replaced, &[open(Supersede), open(Create), open(OpenOrCreate)]),
        of("supersede, temporary names", replaced, &[temporary(Supersede); 3]),
        of("create or open", stays, &[open(OpenOrCreate); 3]),
        of("create or open, temporary names", stays, &[temporary(OpenOrCreate); 3]),
        of(
            "create or open, own names",
            Rules { incomplete_is_visible: true, name_stays: true, ..NONE },
            &[sized(OpenOrCreate), sized(OpenOrCreate), sized(Open)],
        ),
        Scenario {
            name: "create or open, too little memory",
            world: Namespace::new(visible).with_shortages(2),
            tasks: vec![temporary(OpenOrCreate), sized(Create), open(Open)],
        },
        of(
            "unlink",
            gap,
            &[
                OpenAndUnlink(Ask::new(OpenOrCreate)),
                OpenAndUnlink(Ask::new(OpenOrCreate)),
                open(OpenOrCreate),
            ],
        ),
        of(
            "unlink, one that removes",
            NONE,
            &[OpenAndUnlink(Ask::new(Create)), open(OpenOrCreate), open(Create)],
        ),
        Scenario {
            name: "unlink, own names, too little memory",
            world: Namespace::new(Rules { gap_after_comparing: true, ..visible }).with_shortages(1),
            tasks: vec![Task::Open(by(Create, NAMED)), OpenAndUnlink(Ask::new(Open)), open(Create)],
        },
        of(
            "unlink and supersede",
            gap,
            &[OpenAndUnlink(Ask::new(Create)), open(Supersede), open(Open)],
        ),
        Scenario {
            name: "clean, and open with presence",
            world: Namespace::new(NONE).with_object(),
            tasks: vec![Clean, Clean, present(OpenOrCreate)],
        },
        Scenario {
            name: "clean, and two with presence",
            world: Namespace::new(NONE).with_object(),
            tasks: vec![Clean, present(OpenOrCreate), present(OpenOrCreate)],
        },
        of(
            "clean, and create with presence",
            NONE,
            &[Clean, present_temporary(Create), present(OpenOrCreate)],
        ),
        of(
            "clean, and create with presence, own names",
            Rules { patient: true, ..visible },
            &[Clean, present_named(OpenOrCreate), present_named(Create)],
        ),
        Scenario {
            name: "clean, and supersede with presence",
            world: Namespace::new(superseding).with_object(),
            tasks: vec![Clean, present(Supersede), present(OpenOrCreate)],
        },
        of(
            "clean, and supersede a free name with presence",
            superseding,
            &[Clean, present(Supersede), present(OpenOrCreate)],
        ),
        Scenario {
            name: "clean, and two supersede with presence",
            world: Namespace::new(superseding).with_object(),
            tasks: vec![Clean, present(Supersede), present(Supersede)],
        },
        Scenario {
            name: "clean, and supersede with presence, temporary names",
            world: Namespace::new(superseding).with_object(),
            tasks: vec![Clean, present_temporary(Supersede), present(OpenOrCreate)],
        },
        of(
            "clean, and supersede with presence, own names",
            Rules { superseding: true, patient: true, ..visible },
            &[Clean, present_named(Supersede), present_named(OpenOrCreate)],
        ),
        of(
            "open with presence, and leave",
            Rules { last_removes: true, patient: true, ..NONE },
            &[OpenAndLeave(Ask::new(OpenOrCreate).present()); 3],
        ),
    ]
}

/// Each mutation, and the scenario in which it must break a rule.
const CAUGHT: [(Mutation, &str); 19] = [
    (Mutation::UnlinkWithoutComparing, "unlink and supersede"),
    (Mutation::AbandonWithoutComparing, "unlink, own names, too little memory"),
    (Mutation::NameBeforeMemory, "create"),
    (Mutation::PresenceAfterName, "clean, and create with presence"),
    (Mutation::NewbornWithoutLooking, "clean, and create with presence, own names"),
    (Mutation::JoinWithoutLooking, "clean, and open with presence"),
    (Mutation::FoundWithoutLength, "create or open, own names"),
    (Mutation::CreateByReplacing, "create"),
    (Mutation::SupersedeByUnlinking, "supersede"),
    (Mutation::SupersedeWithoutHolding, "clean, and supersede with presence"),
    (Mutation::HoldWithoutLooking, "clean, and two supersede with presence"),
    (Mutation::ReplaceWhatWasFree, "clean, and supersede a free name with presence"),
    (Mutation::ClaimTwice, "clean, and supersede with presence, own names"),
    (Mutation::CleanWithoutWaiting, "open with presence, and leave"),
    (Mutation::CleanWithoutNameLock, "clean, and supersede with presence"),
    (Mutation::CleanWithoutPresenceLock, "clean, and open with presence"),
    (Mutation::CleanWithoutLooking, "clean, and open with presence"),
    (Mutation::CleanAfterUnlocking, "clean, and open with presence"),
    (Mutation::KeepTemporaryName, "create or open, temporary names"),
];

#[test]
fn no_order_of_the_calls_breaks_a_rule() {
    let mut sites = BTreeSet::new();
    for scenario in scenarios() {
        let explored =
            scenario.explore(None).unwrap_or_else(|broken| panic!("{}: {broken:?}", scenario.name));
        super::report(scenario.name, explored.states);
        sites.extend(explored.sites);
    }
    super::follow(&sites, 24);
}

#[test]
fn every_mutation_breaks_a_rule() {
    let scenarios = scenarios();
    for (mutation, name) in CAUGHT {
        let scenario = scenarios.iter().find(|scenario| scenario.name == name);
        match scenario.expect("the scenario exists").explore(Some(mutation)) {
            Err(broken) => super::caught(&format!("{mutation:?}"), broken.rule),
            Ok(explored) => {
                panic!("{mutation:?}, {name}: {} states, no rule broken", explored.states)
            }
        }
    }
}

/// `Shm::unlink` compares and removes in two calls, as its documentation says. If the model no
/// longer finds that gap, the documentation is out of date.
#[test]
fn the_gap_in_unlink_is_where_the_documentation_says() {
    let tasks = [OpenAndUnlink(Ask::new(OpenOrCreate)); 2];
    let scenario = Scenario {
        name: "unlink, with the gap",
        world: Namespace::new(NONE),
        tasks: [&tasks[..], &[open(OpenOrCreate)]].concat(),
    };
    let broken = scenario.explore(None).expect_err("there is a gap");
    assert_eq!(broken.rule, "a stranger's object has lost its name");
}
