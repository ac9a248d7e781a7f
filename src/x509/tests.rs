use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use rustls::pki_types::{CertificateRevocationListDer, pem::PemObject as _};

use super::*;
use crate::listen::tls::pki::{Authority, Wanted};

fn year(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

const Y2020: u64 = 1_577_836_800;
const Y2026: u64 = 1_767_225_600;
const Y2100: u64 = 4_102_444_800;

#[test]
fn a_certificate_says_whose_it_is_and_until_when() {
    let authority = Authority::new("clients");
    for (until, end) in [(2026, Y2026), (2100, Y2100)] {
        let issued = authority.issue(&Wanted { common_name: "a\nb", until, ..Wanted::default() });
        let read = Certificate::read(&issued.der).unwrap();
        assert_eq!((read.not_before, read.not_after), (year(Y2020), year(end)));
        assert_eq!(read.subject.to_string(), "CN=a\u{fffd}b");
    }
    let own = Certificate::read(&authority.der).unwrap();
    assert_eq!(own.subject.to_string(), "CN=clients");
}

#[test]
fn a_list_names_its_authority_as_the_authority_does() {
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    for (until, end) in [(2026, Y2026), (2100, Y2100)] {
        let pem = ours.revoke(&[&ours.server(&["x"])], until);
        let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
        let list = RevocationList::read(&der).unwrap();
        assert_eq!(list.next_update, Some(year(end)));
        assert_eq!(list.issuer, Certificate::read(&ours.der).unwrap().subject);
        assert_ne!(list.issuer, Certificate::read(&others.der).unwrap().subject);
    }
}

#[test]
fn a_name_of_unknown_attributes_is_told_as_such() {
    assert_eq!(Name([0x30, 0].into()).to_string(), "(no name)");
    assert_eq!(Name([].into()).to_string(), "(no name)");
}

proptest! {
    #[test]
    fn nothing_that_is_read_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Certificate::read(&bytes), RevocationList::read(&bytes), Signed::read(&bytes), may_serve(&bytes), has_host_names(&bytes));
        let _ = Name(bytes.into()).to_string();
    }

    /// Every cut and every changed byte of what is nearly right.
    #[test]
    fn nor_does_what_was_damaged(at in 0_usize..400, byte: u8, cut in 0_usize..500) {
        let authority = Authority::new("clients");
        let list = CertificateRevocationListDer::from_pem_slice(authority.revoke(&[], 2100).as_bytes()).unwrap();
        for der in [authority.der.as_ref(), list.as_ref()] {
            let mut der = der[..der.len().min(cut)].to_vec();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            let _ = (Signed::read(&der), may_serve(&der), has_host_names(&der));
            if let Some(read) = Certificate::read(&der) {
                let _ = read.subject.to_string();
            }
            if let Some(read) = RevocationList::read(&der) {
                let _ = read.issuer.to_string();
            }
        }
    }
}
