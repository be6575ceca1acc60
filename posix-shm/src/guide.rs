//! The guide: how to do things, one chapter per subject.
//!
//! Read [Start here](start_here) first. Every other chapter stands for itself.
//!
//! | chapter | what it answers |
//! |---|---|
//! | [Start here](start_here) | How do two programs share memory? Which kind of object do I need? |
//! | [Names](names) | Which names can an object have? |
//! | [Opening](opening) | What if it exists? What if it does not? Who fills it? |
//! | [Sizes and memory](sizes_and_memory) | How long is it, and is there memory behind it? |
//! | [Views and values](views_and_values) | How do I read and write integers and structures? |
//! | [Between processes](between_processes) | How do I tell others that there is data? |
//! | [Passing on and inheriting](passing_on) | How does another process get it, without a name? |
//! | [Growing](growing) | How does it become longer while it is used? |
//! | [Huge pages](huge_pages) | How do large objects become fast? |
//! | [Async](async_programs) | How do tasks wait for a peer? |
//! | [Containers](containers) | What about Docker, Kubernetes and sandboxes? |
//! | [Killed processes](killed_processes) | Is my peer alive? Who is in charge now? |
//! | [Leaks and who removes what](leaks) | What is left if a process is killed? |
//! | [Security](security) | What can other users and hostile peers do? |
//! | [Safety](safety) | Why can safe code not cause undefined behaviour? |
//! | [What differs where](what_differs_where) | What can Linux, macOS and the BSDs do? |
//! | [From Lisp](from_lisp) | What replaces each name of the Lisp library? |
//! | [From other libraries](from_other_libraries) | What replaces other crates, Python, Boost? |
//! | [Choosing](choosing) | When is another crate the better choice? |
//! | [Troubleshooting](troubleshooting) | What does this error message mean? |

// For the links in the text.
#[allow(unused_imports)]
use crate::*;

/// Makes a module of each file in `guide/`.
macro_rules! chapters {
    ($($name:ident)*) => {$(
        #[doc = include_str!(concat!("guide/", stringify!($name), ".md"))]
        pub mod $name {}
    )*};
}

chapters! {
    start_here names opening sizes_and_memory views_and_values between_processes passing_on
    growing huge_pages async_programs containers killed_processes leaks security safety
    what_differs_where from_lisp from_other_libraries choosing troubleshooting
}
