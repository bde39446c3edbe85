//! Gives freed memory back to the system. The one file with `unsafe`.

#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
mod gnu {
    unsafe extern "C" {
        /// glibc's `malloc_trim(3)`: returns 1 if memory was given back.
        pub safe fn malloc_trim(pad: usize) -> i32;
    }
}

/// After a big list glibc keeps what was freed; a process that then only waits should not.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    gnu::malloc_trim(0);
}
