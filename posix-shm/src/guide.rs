//! The guide: how to do things, a chapter a subject.
//!
//! Read [Start here](start_here) first. Every other chapter stands for itself.
//!
//! | chapter | what it answers |
//! |---|---|
//! | [Start here](start_here) | How do two programs share memory? Which kind of object do I need? |
//! | [Names](names) | How may an object be called? |
//! | [Opening](opening) | What if it exists? What if it does not? Who fills it? |
//! | [Sizes and memory](sizes_and_memory) | How long is it, and is there memory behind it? |
//! | [Views and values](views_and_values) | How do I read and write integers and structures? |
//! | [Between processes](between_processes) | How do I tell others that there is data? |
//! | [Passing on and inheriting](passing_on) | How does another process get it, without a name? |
//! | [Growing](growing) | How does it become longer while it is used? |
//! | [Huge pages](huge_pages) | How do large objects become fast? |
//! | [Containers](containers) | What about Docker, Kubernetes and sandboxes? |
//! | [Killed processes](killed_processes) | Is my peer alive? Who is in charge now? |
//! | [Leaks and who removes what](leaks) | What is left if a process is killed? |
//! | [Security](security) | What can other users and hostile peers do? |
//! | [Safety](safety) | Why can safe code not cause undefined behaviour? |
//! | [What differs where](what_differs_where) | What can Linux, macOS and the BSDs do? |
//! | [From Lisp](from_lisp) | What has become of each name of the Common Lisp library? |
//! | [From other libraries](from_other_libraries) | The same for other crates, Python and Boost |
//! | [Choosing](choosing) | When is another crate the better choice? |
//! | [Async](async_programs) | How do tasks wait for a peer? |
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
    growing huge_pages containers killed_processes leaks security safety what_differs_where
    from_lisp from_other_libraries choosing async_programs troubleshooting
}
