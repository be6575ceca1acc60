//! What a process may run into: limits, filters, odd namespaces, planted files, hostile peers.
//!
//! Each test here is a task of `strained.rs`, which makes the environment itself. `fault_01` to
//! `fault_16` keep away the kinds of faults that were once found by attack:
//!
//! | | |
//! |---|---|
//! | 1 | a descriptor looked up by its number, in another table |
//! | 2 | a planted file that makes a call wait |
//! | 3 | reserving says yes, and nothing is reserved |
//! | 4, 5 | limits that the kernel reports by a signal: file sizes, control groups |
//! | 6 | an estimate taken for the truth |
//! | 7 | pages of another size |
//! | 8, 9 | a process number taken for an identity; clean-up in a forked child |
//! | 10 | descriptors that come by another door |
//! | 11, 12, 13 | promises that the kernel does not make |
//! | 14 | clean-up that destroys what a peer did |
//! | 15 | an invented error number |
//! | 16 | a failed call that leaves a name |
//!
//! `attack_01` to `attack_48` do the same for what later attacks found:
//!
//! | | |
//! |---|---|
//! | 1 | a promise of memory that counts the wrong pages |
//! | 2, 3 | two routes to the names, so that calls mean different objects |
//! | 4, 5, 12 | signals again: long writes, a peer that flips the length, nothing to ask with |
//! | 6, 9 | a length that is taken for known |
//! | 7, 8 | options that contradict each other, found out too late |
//! | 10 | permissions that were chosen and are taken for the kernel's own |
//! | 11 | a flag that others set on the open descriptor |
//! | 13, 27 | a directory that has the name of an object |
//! | 14 | clean-up in a child that no handler knows of |
//! | 15 to 21 | descriptors and messages that come from elsewhere |
//! | 22 | a length that the kernel would round up |
//! | 23, 24 | a way round a call that a sandbox forbids |
//! | 25, 26 | a least length of an object that the call itself makes |
//! | 28 | a shortage here that looks like a fault of the peer |
//! | 29 | memory that an object has already, counted as if it were new |
//! | 30, 31 | a way that leads nowhere: the next one is tried, and nothing is left |
//! | 32, 35 | what options ask for together |
//! | 33, 34, 37, 38 | limits that are looked for in the wrong place |
//! | 36, 41, 44 | permissions that a way round changes |
//! | 39, 42, 45 | a limit that has nothing to do with the failure |
//! | 40 | two messages that are taken for one |
//! | 43, 46 | a length that is lost |
//! | 47 | pages of another size again |
//! | 48 | a name that is left where it could be removed |
//!
//! `presence_…` are about presence and locks, where processes fork, change users or namespaces, or
//! may not make the calls. `mappings_…` are about mappings, where memory, address space or rights
//! are short. `states_…` make random sequences of calls.

#![cfg(all(target_os = "linux", not(posix_shm_android)))]

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::common::{Names, run, skip};

/// As long as a task may take: far longer than any needs, also on a busy machine or in an emulator.
const LIMIT: Duration = Duration::from_secs(600);

/// What a task says where the machine does not let it do its work.
const CANNOT: &str = "cannot: ";

/// Does a task of `strained.rs`.
#[track_caller]
fn strained(task: &str) {
    does(env!("CARGO_BIN_EXE_strained"), task);
}

/// Has a program do a task.
#[track_caller]
fn does(program: &str, task: &str) {
    let names = Names::new();
    let mut command = Command::new(program);
    command.args([task, &names.name().to_string()]).stdin(Stdio::null());
    // A group of its own, so that what it has forked can be ended with it.
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().unwrap();
    let group = -libc::pid_t::try_from(child.id()).unwrap();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    let Ok(output) = receive.recv_timeout(LIMIT) else {
        // SAFETY: passes no pointer. The group is that of a child that is not waited for yet.
        unsafe { libc::kill(group, libc::SIGKILL) };
        panic!("{task} hangs, and was killed after {LIMIT:?}");
    };
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{task}: {}\n{said}{failed}", output.status);
    if let Some(why) = said.strip_prefix(CANNOT) {
        skip(why);
    }
}

macro_rules! tests {
    ($list:ident: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                strained(stringify!($name));
            }
        )*
        const $list: &[&str] = &[$(stringify!($name)),*];
    };
}

tests! { EVERYWHERE:
    attack_14_without_such_pages_a_child_that_no_handler_knows_of_removes_nothing
    attack_16_an_empty_datagram_is_not_the_end
    attack_17_a_stray_byte_before_an_object_costs_one_receive
    attack_20_sending_works_without_getsockname
    attack_21_a_message_whose_byte_is_not_zero_is_received_if_nothing_follows
    fault_08_a_child_does_not_remove_what_its_parent_creates
    fault_08_a_child_removes_what_is_its_own
    fault_08_a_child_with_the_same_process_number_removes_nothing
    fault_08_without_pages_that_fork_clears
    fault_09_a_child_forked_while_creating_removes_nothing
    fault_10_whatever_the_socket_adds_is_closed
    message_a_signal_does_not_end_a_call
    message_what_the_socket_adds_is_closed_and_counted_or_handed_out
    message_without_room_for_its_descriptors_is_emfile
    words_a_payload_beside_the_descriptor_is_not_lost
    words_sending_over_a_socket_that_carries_no_descriptors_is_an_error
}

#[cfg(not(posix_shm_apple))]
tests! { IN_FILES:
    fault_02_a_fifo_that_takes_the_name_of_an_open_object_is_refused
    fault_02_a_planted_fifo_is_refused_at_once
    fault_02_nothing_planted_is_opened_again
    fault_02_waiting_for_an_object_ends_in_time
    fault_03_growing_where_nothing_can_be_reserved_is_an_error_or_is_there
    fault_03_what_could_not_be_reserved_is_an_error_or_is_there
    fault_04_a_limit_below_a_page_is_an_error_past_a_page
    fault_04_a_limit_on_the_length_of_files_is_an_error
    fault_14_a_failed_growth_keeps_what_a_peer_wrote
    fault_15_a_name_that_comes_and_goes_is_never_would_block
    fault_15_racing_create_and_remove_is_never_would_block
    fault_16_a_name_that_cannot_be_removed_is_told
    fault_16_nothing_is_left_where_removing_is_allowed
}
#[cfg(posix_shm_apple)]
const IN_FILES: &[&str] = &[];

#[cfg(not(any(posix_shm_apple, posix_shm_portable)))]
tests! { ON_LINUX:
    at_least_is_a_question
    at_least_waits
    attack_01_may_fault_is_true_while_the_object_can_grow
    attack_01_memory_past_the_end_does_not_count
    attack_03_a_foreign_private_object_is_permission_denied_and_stays_the_only_one
    attack_04_a_long_write_past_the_limit_of_a_control_group_is_an_error
    attack_05_a_peer_that_flips_the_length_cannot_cause_a_signal
    attack_06_set_len_after_a_write_is_the_length_that_was_asked_for
    attack_07_truncate_with_a_least_length_or_a_resize_is_refused_and_touches_nothing
    attack_08_a_part_past_the_size_is_refused_before_the_object_is_resized
    attack_08_resize_without_a_size_is_refused
    attack_09_a_failed_growth_says_which_memory_stays
    attack_30_a_proc_that_shows_other_files_leaves_the_name
    attack_31_creating_what_exists_leaves_no_temporary_name
    attack_32_an_object_that_is_resized_is_not_waited_for
    attack_33_no_byte_of_a_mount_hides_a_limit
    attack_34_a_thread_in_another_group_does_not_hide_the_limit
    attack_35_a_least_length_above_the_size_of_a_resize_is_refused
    attack_36_read_only_protects_what_came_from_elsewhere
    attack_37_locked_pages_do_not_give_way
    attack_38_a_disk_is_not_memory
    attack_39_a_failed_reserve_says_what_memory_there_is
    attack_40_one_byte_is_a_whole_message_of_its_own
    attack_41_the_umask_spares_every_anonymous_object
    attack_42_a_limit_on_files_does_not_make_an_object_fault
    attack_43_the_first_length_never_shortens
    attack_44_an_executable_object_is_not_made_in_another_way
    attack_45_sizing_needs_no_inode
    attack_46_what_cannot_be_mapped_is_not_cut_before
    attack_47_objects_of_a_folder_of_huge_pages_are_mapped_and_unmapped
    attack_29_memory_that_an_object_has_is_not_counted_again
    attack_09_reserving_what_is_reserved_takes_no_room
    attack_09_the_first_growth_succeeds_if_a_peer_has_grown_the_object
    attack_10_permissions_that_were_chosen_survive_read_only
    attack_11_append_mode_that_others_set_is_refused
    attack_12_without_a_descriptor_to_ask_control_groups_it_is_an_error
    attack_13_a_directory_is_not_changed_as_if_it_were_an_object
    attack_15_a_descriptor_for_a_path_alone_is_refused
    attack_18_a_descriptor_that_can_only_write_is_refused
    attack_19_from_fd_closes_the_descriptor_on_exec
    attack_22_a_length_that_is_no_multiple_of_huge_pages_is_refused
    attack_23_ignore_umask_needs_no_call_if_the_umask_takes_nothing
    attack_24_publish_works_without_pwrite
    attack_25_resize_with_a_least_length_resizes_a_shorter_object
    attack_26_an_initialiser_that_leaves_it_too_short_leaves_nothing
    attack_27_list_never_returns_a_directory
    attack_28_a_descriptor_that_finds_no_room_is_emfile
    fault_01_a_dead_group_leader_changes_nothing
    fault_01_a_proc_that_lies_is_not_believed
    fault_01_creating_never_returns_what_another_table_has_at_the_number
    fault_01_publishing_never_names_what_another_table_has_at_the_number
    fault_01_read_only_never_opens_what_another_table_has_at_the_number
    fault_03_a_file_system_that_cannot_reserve_is_asked_for_room
    fault_05_a_limit_that_a_parent_has_counts_as_well
    fault_05_a_limit_above_the_namespace_of_the_process_counts
    fault_05_a_memory_limit_of_a_control_group_is_an_error
    fault_05_the_limit_of_a_unified_hierarchy_is_asked
    fault_06_a_caller_can_insist
    fault_06_an_estimate_of_the_machines_memory_says_how_to_insist
    fault_06_the_estimate_is_not_for_huge_pages
    fault_07_huge_pages_are_mapped_and_unmapped_whole
    fault_11_may_fault_is_what_the_kernel_promises
    fault_11_the_docs_do_not_promise_freedom_from_sigbus
    fault_12_a_mapping_through_a_writable_handle_still_writes_and_the_docs_say_so
    fault_13_another_user_cannot_write_through_a_read_only_handle
    from_fd_checks_the_kind
    from_fd_keeps_the_name
    grow_never_shortens
    grow_refuses_and_changes_nothing
    immutable_memory_is_mapped_where_only_a_private_mapping_is_allowed
    immutable_memory_is_only_what_the_kernel_confirms
    immutable_memory_withstands_a_peer_that_can_write
    immutable_objects_have_no_page_that_the_kernel_still_uses
    into_io_error_is_plain
    is_reserved_is_what_the_kernel_answers
    label_is_what_proc_shows
    map_options_are_what_open_mapped_maps_with
    mappings_a_fault_while_populating_is_an_error
    mappings_a_limit_on_address_space_is_an_error_and_loses_nothing
    mappings_a_limit_on_locked_memory_is_an_error
    mappings_a_memory_limit_is_an_error_before_populating
    mappings_an_object_that_is_cut_off_while_it_is_populated
    mappings_of_huge_pages_grow_in_huge_pages
    mappings_populate_without_madvise
    mappings_the_pool_of_huge_pages_is_empty
    mappings_waiting_where_futex_is_forbidden
    message_of_a_hostile_peer_has_an_outcome_without_a_leak_or_a_wait
    message_of_no_bytes_may_carry_an_object
    message_receiver_of_another_user_cannot_change_what_was_sent
    message_that_looks_like_one_object_is_refused_for_what_it_is
    message_with_what_may_be_an_object_is_an_error
    metadata_has_block_size_and_rdev
    presence_across_namespaces_of_processes
    presence_and_locks_of_a_forked_child
    presence_ends_when_a_program_is_started
    presence_of_a_user_who_can_only_read
    presence_of_a_new_object_that_its_owner_may_not_read
    presence_that_a_sandbox_forbids_is_an_error_and_leaves_nothing
    presence_without_proc
    presence_of_the_last_that_leaves_ends_with_the_name
    presence_waits_for_a_cleaner_but_not_for_ever
    presence_under_the_own_name_looks_whether_it_has_it
    presence_under_the_own_name_survives_a_cleaner
    punch_gives_memory_back
    punch_refuses_what_is_sealed
    reserve_refuses_what_has_no_length
    reserve_takes_memory_and_changes_nothing_else
    resize_gives_an_existing_object_the_size
    states_follow_the_documentation
    states_with_too_few_descriptors
    states_with_too_little_memory
    ways_round_all_but_shm_open
    ways_round_f_get_seals
    ways_round_fallocate
    ways_round_flags_of_memfd_create
    ways_round_flags_of_memfd_create_are_not_for_others
    ways_round_for_a_user_without_rights
    ways_round_getrandom
    ways_round_linkat
    ways_round_linkat_by_descriptor
    ways_round_memfd_create
    ways_round_o_tmpfile
    ways_round_one_route_to_the_names
    ways_round_openat2
    ways_round_rename
    ways_round_renameat2
    ways_round_statx
    ways_round_what_leaves_a_name
    ways_round_what_only_tells
    words_already_exists_does_not_depend_on_the_size
    words_an_id_that_is_not_mapped_is_einval
    words_of_what_a_sandbox_forbids
    words_hint_for_a_forbidden_directory
    words_hint_for_a_handle_that_cannot_be_opened_again
    words_hint_for_a_lease
    words_hint_for_a_missing_directory
    words_hint_for_a_quota
    words_hint_for_a_size_that_nothing_may_be_created_with
    words_hint_for_a_small_file_system
    words_hint_for_descriptors_in_flight
    words_hint_for_inodes
    words_hint_for_locked_memory
    words_io_error_keeps_the_whole_error
    words_may_not_replace_is_eperm
    words_of_the_docs
    words_one_kind_for_sizing_through_a_read_only_descriptor
    words_open_or_create_does_not_wait_for_what_waiting_cannot_cure
    words_publish_asks_for_room_before_it_fills
    words_receive_takes_the_librarys_own_objects_on_any_file_system
    words_sealed_is_said_of_what_is_sealed
    words_supersede_needs_room_for_both_and_says_so
    words_write_at_writes_where_it_says
}
#[cfg(any(posix_shm_apple, posix_shm_portable))]
const ON_LINUX: &[&str] = &[];

/// A library that is preloaded over `shm_open` cannot split the names in two.
#[cfg(not(any(posix_shm_apple, posix_shm_portable)))]
#[test]
fn ways_round_one_name_is_one_object_whatever_shm_open_is() {
    does(env!("CARGO_BIN_EXE_interposed"), "everywhere");
}

/// Another user's object at the path that the C library would open is not looked at.
#[cfg(not(any(posix_shm_apple, posix_shm_portable)))]
#[test]
fn attack_02_a_preloaded_shm_open_is_the_one_route_to_the_names() {
    does(env!("CARGO_BIN_EXE_interposed"), "foreign");
}

#[cfg(not(any(posix_shm_apple, posix_shm_portable)))]
#[test]
fn attack_02_nothing_is_left_of_failures_behind_a_preloaded_shm_open() {
    does(env!("CARGO_BIN_EXE_interposed"), "failures");
}

#[cfg(not(any(posix_shm_apple, posix_shm_portable)))]
#[test]
fn attack_48_what_its_maker_may_not_open_is_removed_behind_a_preloaded_shm_open() {
    does(env!("CARGO_BIN_EXE_interposed"), "unreadable");
}

#[cfg(not(any(posix_shm_apple, posix_shm_portable)))]
#[test]
fn attack_03_a_foreign_private_object_is_refused_behind_a_preloaded_shm_open() {
    does(env!("CARGO_BIN_EXE_interposed"), "private");
}

/// A sandbox in which only that library's paths are allowed.
#[cfg(not(any(posix_shm_apple, posix_shm_portable)))]
#[test]
fn ways_round_a_sandbox_that_allows_only_what_shm_open_opens() {
    does(env!("CARGO_BIN_EXE_interposed"), "sandboxed");
}

#[test]
fn every_task_has_its_test() {
    let list = run(Command::new(env!("CARGO_BIN_EXE_strained")).arg("list"));
    let tasks: BTreeSet<&str> = list.lines().collect();
    let tests = [EVERYWHERE, IN_FILES, ON_LINUX].concat().into_iter().collect();
    assert_eq!(tasks, tests);
}
