//! What only the C library can do, made safe: freed memory given back, socket options and the
//! addresses of a datagram. The one file with `unsafe`; decides nothing.
#![allow(unsafe_code)]

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_void, socklen_t};

#[cfg(target_env = "gnu")]
mod gnu {
    unsafe extern "C" {
        /// glibc's `malloc_trim(3)`: returns 1 if memory was given back.
        pub safe fn malloc_trim(pad: usize) -> i32;
    }
}

/// A piece this big is given back as soon as it is freed: lists of containers are.
#[cfg(target_env = "gnu")]
const OWN_PAGES_FROM_BYTES: c_int = 64 << 10;

/// For a process that stays. By default glibc learns from each big piece that is freed to keep the
/// next one of that size.
pub fn stay_small() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only sets how malloc goes on (mallopt(3)).
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_FROM_BYTES);
    }
}

/// After a big list glibc keeps what was freed; a process that then only waits should not. Nor need
/// the code stay mapped that has led here: what is called again comes back from the page cache.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    gnu::malloc_trim(0);
    // SAFETY: the callback keeps to what it is given, and `data` is not used.
    unsafe {
        libc::dl_iterate_phdr(Some(let_code_go), std::ptr::null_mut());
    }
}

/// Unmaps what a program or library has in memory of its file and never wrote to.
///
/// # Safety
/// For `dl_iterate_phdr(3)`, which knows the object's parts.
unsafe extern "C" fn let_code_go(
    object: *mut libc::dl_phdr_info,
    _size: usize,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: the loader's own, and constant while it is iterated.
    let (page, base, parts) = unsafe {
        let (page, object) = (libc::sysconf(libc::_SC_PAGESIZE), &*object);
        let count = usize::from(object.dlpi_phnum);
        let parts = std::slice::from_raw_parts(object.dlpi_phdr, count);
        (page.cast_unsigned() as usize, object.dlpi_addr as usize, parts)
    };
    for part in parts {
        // What can be written to holds addresses that were filled in at the start.
        if part.p_type != libc::PT_LOAD || part.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = base + part.p_vaddr as usize;
        let from = start & !(page - 1);
        let len = start + part.p_memsz as usize - from;
        // SAFETY: read-only pages of a file: the next access reads the same again (madvise(2)).
        unsafe {
            libc::madvise(from as *mut c_void, len, libc::MADV_DONTNEED);
        }
    }
    0
}

/// Marks what a socket sends, for rules to tell it apart (socket(7), `SO_MARK`). Needs
/// CAP_NET_ADMIN.
pub fn set_mark(socket: BorrowedFd<'_>, mark: u32) -> io::Result<()> {
    set_option(socket, (libc::SOL_SOCKET, libc::SO_MARK), mark.cast_signed())
}

/// Lets [`receive`] tell to which address of ours a datagram was sent, by either family of the
/// socket (ip(7), `IP_PKTINFO`; ipv6(7), `IPV6_RECVPKTINFO`).
pub fn tell_addresses(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO), 1)
        .or_else(|_| set_option(socket, (libc::IPPROTO_IP, libc::IP_PKTINFO), 1))
}

fn set_option(socket: BorrowedFd<'_>, which: (c_int, c_int), value: c_int) -> io::Result<()> {
    let (level, name) = which;
    let size = mem::size_of::<c_int>() as socklen_t;
    // SAFETY: the value lives through the call, and is as long as is said.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A datagram that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its bytes, the first of the buffer.
    pub len: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// To which address of ours; `None`: the kernel did not say.
    pub to: Option<IpAddr>,
}

/// Room for one control message of either family.
const CONTROL_BYTES: usize = 64;

#[repr(align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Takes one datagram from a socket; does not wait where the socket does not.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut control = Control([0; CONTROL_BYTES]);
    let mut piece =
        libc::iovec { iov_base: buffer.as_mut_ptr().cast::<c_void>(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid msghdr; its pointers are set to what lives through the calls.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as socklen_t;
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES as _;
    // SAFETY: every pointer in it is to memory as long as is said.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: zeroed, then written by the kernel: a valid address either way.
    let from = address(unsafe { name.assume_init_ref() })
        .ok_or_else(|| io::Error::other("a datagram from no address"))?;
    // SAFETY: the kernel has set the length of what it wrote to the control buffer.
    let to = unsafe { local_address(&message) };
    Ok(Received { len, from, to })
}

/// # Safety
/// The message must have come from `recvmsg`, its control buffer unchanged since.
unsafe fn local_address(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: as above; CMSG_NXTHDR stays within the length the kernel has set.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(found) = header.as_ref() {
            let data = libc::CMSG_DATA(header);
            match (found.cmsg_level, found.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = data.cast::<libc::in_pktinfo>().read_unaligned();
                    let address = u32::from_be(info.ipi_spec_dst.s_addr);
                    return Some(Ipv4Addr::from_bits(address).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => header = libc::CMSG_NXTHDR(message, header),
            }
        }
        None
    }
}

fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let at = (&raw const *storage).cast::<u8>();
    match c_int::from(storage.ss_family) {
        // SAFETY: the family says what it is, and the storage is long enough for either.
        libc::AF_INET => unsafe {
            let found = at.cast::<libc::sockaddr_in>().read_unaligned();
            let ip = Ipv4Addr::from_bits(u32::from_be(found.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(found.sin_port)).into())
        },
        // SAFETY: the same.
        libc::AF_INET6 => unsafe {
            let found = at.cast::<libc::sockaddr_in6>().read_unaligned();
            let ip = Ipv6Addr::from(found.sin6_addr.s6_addr);
            let port = u16::from_be(found.sin6_port);
            Some(SocketAddrV6::new(ip, port, 0, found.sin6_scope_id).into())
        },
        _ => None,
    }
}

/// Sends one datagram to `to` from the address `from` of ours; `None`: as the kernel chooses.
pub fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    to: SocketAddr,
    from: Option<IpAddr>,
) -> io::Result<()> {
    // SAFETY: all zeroes is a valid address of no family.
    let mut name: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut control = Control([0; CONTROL_BYTES]);
    let mut piece =
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast::<c_void>(), iov_len: bytes.len() };
    // SAFETY: as in `receive`.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_namelen = fill(&mut name, to);
    message.msg_name = (&raw mut name).cast();
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    if let Some(from) = from {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = CONTROL_BYTES as _;
        let scope = if let SocketAddr::V6(to) = to { to.scope_id() } else { 0 };
        // SAFETY: the buffer is aligned, and long enough for either message.
        message.msg_controllen = unsafe { fill_control(&message, from, scope) } as _;
    }
    // SAFETY: every pointer in it is to memory as long as is said; the bytes are only read.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) };
    if sent >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn fill(name: &mut libc::sockaddr_storage, to: SocketAddr) -> socklen_t {
    let at = (&raw mut *name).cast::<u8>();
    match to {
        // SAFETY: the storage is long enough and aligned for either; all zeroes is valid.
        SocketAddr::V4(to) => unsafe {
            let mut v4: libc::sockaddr_in = mem::zeroed();
            v4.sin_family = libc::AF_INET as _;
            v4.sin_port = to.port().to_be();
            v4.sin_addr.s_addr = to.ip().to_bits().to_be();
            at.cast::<libc::sockaddr_in>().write_unaligned(v4);
            mem::size_of::<libc::sockaddr_in>() as socklen_t
        },
        // SAFETY: the same.
        SocketAddr::V6(to) => unsafe {
            let mut v6: libc::sockaddr_in6 = mem::zeroed();
            v6.sin6_family = libc::AF_INET6 as _;
            v6.sin6_port = to.port().to_be();
            v6.sin6_addr.s6_addr = to.ip().octets();
            v6.sin6_scope_id = to.scope_id();
            at.cast::<libc::sockaddr_in6>().write_unaligned(v6);
            mem::size_of::<libc::sockaddr_in6>() as socklen_t
        },
    }
}

/// Writes the control message that chooses the address to send from; returns its length.
///
/// # Safety
/// The message's control buffer must be aligned for a header and [`CONTROL_BYTES`] long.
unsafe fn fill_control(message: &libc::msghdr, from: IpAddr, scope: u32) -> usize {
    // SAFETY: as above: there is room for the header and either body.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        let data = libc::CMSG_DATA(header);
        let (level, kind, len) = match from {
            IpAddr::V4(ip) => {
                let mut info: libc::in_pktinfo = mem::zeroed();
                info.ipi_spec_dst.s_addr = ip.to_bits().to_be();
                data.cast::<libc::in_pktinfo>().write_unaligned(info);
                (libc::IPPROTO_IP, libc::IP_PKTINFO, mem::size_of::<libc::in_pktinfo>())
            }
            IpAddr::V6(ip) => {
                let mut info: libc::in6_pktinfo = mem::zeroed();
                info.ipi6_addr.s6_addr = ip.octets();
                info.ipi6_ifindex = scope as _;
                data.cast::<libc::in6_pktinfo>().write_unaligned(info);
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, mem::size_of::<libc::in6_pktinfo>())
            }
        };
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        (*header).cmsg_len = libc::CMSG_LEN(len as u32) as _;
        libc::CMSG_SPACE(len as u32) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn answered_from_where_it_was_asked(bound: &str, asked: &str) {
        let ours = UdpSocket::bind((bound, 0)).unwrap();
        tell_addresses(ours.as_fd()).unwrap();
        let port = ours.local_addr().unwrap().port();
        let theirs = UdpSocket::bind((asked, 0)).unwrap();
        theirs.connect((asked, port)).unwrap();
        theirs.send(b"knock").unwrap();
        let mut buffer = [0; 16];
        let received = receive(ours.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..received.len], b"knock");
        assert_eq!(received.from.ip().to_canonical(), theirs.local_addr().unwrap().ip());
        assert_eq!(received.to.unwrap().to_canonical(), asked.parse::<IpAddr>().unwrap());
        send(ours.as_fd(), b"who?", received.from, received.to).unwrap();
        // A connected socket hears only whom it is connected to.
        let len = theirs.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"who?");
    }

    #[test]
    fn a_datagram_is_answered_from_the_address_it_was_sent_to() {
        answered_from_where_it_was_asked("0.0.0.0", "127.0.0.1");
        answered_from_where_it_was_asked("0.0.0.0", "127.0.0.77");
        answered_from_where_it_was_asked("::", "::1");
        answered_from_where_it_was_asked("::", "127.0.0.77");
    }

    #[test]
    fn an_empty_socket_would_block_and_a_mark_is_set_or_refused() {
        let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
        ours.set_nonblocking(true).unwrap();
        let error = receive(ours.as_fd(), &mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        if let Err(error) = set_mark(ours.as_fd(), 7) {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
    }
}
