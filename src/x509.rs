//! Names and dates of certificates and revocation lists (RFC 5280), for warnings, metrics and `/status`. Verifies
//! nothing: whether a certificate is trusted is for webpki alone to decide, and what cannot be read here is no error.
//!
//! Why on `der` and not on a library for all of X.509: five fields are read. x509-cert 0.3 (same `der`) adds 5 crates and
//! x509-parser 0.18 adds 21; x509-cert reads a list of 100,000 entries whole, in 59 ms and 17 MB where this takes 10 µs
//! and copies the name, and keeps no signed bytes, which [`Signed`] needs. No length or tag is decoded by hand.

use std::{fmt, time::SystemTime};

use der::{
    Reader as _, SliceReader, Tag, TagNumber,
    asn1::{AnyRef, GeneralizedTime, UtcTime},
};

/// A certificate, as far as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject.
    pub subject: Name,
    /// `notBefore`: valid from this moment on.
    pub not_before: SystemTime,
    /// `notAfter`: valid up to and at this moment.
    pub not_after: SystemTime,
}

/// A revocation list, as far as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// The authority that issued it.
    pub issuer: Name,
    /// `nextUpdate`: from this moment on it has expired (webpki); optional in X.509.
    pub next_update: Option<SystemTime>,
}

/// What an authority has signed, and how: alike for certificates and lists.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The bytes that are signed.
    pub content: &'a [u8],
    /// The `AlgorithmIdentifier` without the sequence around it, as webpki compares it.
    pub algorithm: &'a [u8],
    /// The bits of the signature.
    pub signature: &'a [u8],
}

/// A distinguished name; two are equal if their encodings are, as webpki has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Box<[u8]>);

impl Certificate {
    /// Reads DER (RFC 5280 section 4.1); `None` where it is not one.
    pub fn read(der: &[u8]) -> Option<Self> {
        certificate(der).ok()
    }
}

impl RevocationList {
    /// Reads DER (RFC 5280 section 5.1); `None` where it is not one.
    pub fn read(der: &[u8]) -> Option<Self> {
        revocation_list(der).ok()
    }
}

impl<'a> Signed<'a> {
    /// Reads DER (RFC 5280 sections 4.1.1 and 5.1.1); `None` where it is not one.
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let parts = || {
            let mut outer = inside(&mut SliceReader::new(der)?, Tag::Sequence)?;
            let (content, algorithm): (_, AnyRef<'a>) = (outer.tlv_bytes()?, outer.decode()?);
            let bits: AnyRef<'a> = outer.decode()?;
            Ok::<_, der::Error>((content, algorithm, of_kind(bits, Tag::BitString)?))
        };
        let (content, algorithm, bits) = parts().ok()?;
        // First the number of bits to leave out at the end, which a signature has none of.
        let signature = bits.value().strip_prefix(&[0])?;
        Some(Self { content, algorithm: algorithm.value(), signature })
    }
}

/// How many URIs a certificate has among its alternative names (RFC 5280 section 4.2.1.6), valid or not; `None` where
/// that cannot be read.
pub fn uri_names(der: &[u8]) -> Option<usize> {
    alternative_uris(der).ok()
}

/// Whether others may have been issued by a certificate: it says that it is of an authority, or is signed by itself, or is too old to
/// say anything. `None` where it cannot be read.
pub fn may_issue(der: &[u8]) -> Option<bool> {
    is_authority(der).ok()
}

/// Whether clients may take a certificate for a server's by its extended key usage (RFC 5280 section 4.2.1.12), which may be left out;
/// `None` where that cannot be read.
pub fn may_serve(der: &[u8]) -> Option<bool> {
    is_for_servers(der).ok()
}

/// Whether a certificate has names that clients compare with the one they wrote: DNS names or addresses (RFC 9525 section 6.3); `None`
/// where that cannot be read.
pub fn has_host_names(der: &[u8]) -> Option<bool> {
    names_hosts(der).ok()
}

/// Whether it is a PKCS #12 file (RFC 7292 section 4: a sequence that begins with the version, 3), which holds a key and certificates
/// under a password.
pub fn is_pkcs12(der: &[u8]) -> bool {
    let version = || -> der::Result<bool> {
        let mut members = inside(&mut SliceReader::new(der)?, Tag::Sequence)?;
        let version: AnyRef<'_> = members.decode()?;
        Ok(of_kind(version, Tag::Integer)?.value() == [3])
    };
    version().unwrap_or(false)
}

fn names_hosts(der: &[u8]) -> der::Result<bool> {
    const OF_HOSTS: [TagNumber; 2] = [TagNumber(2), TagNumber(7)];
    let Some(names) = extension(der, ALTERNATIVE_NAMES)? else { return Ok(false) };
    let mut names = inside(&mut SliceReader::new(names)?, Tag::Sequence)?;
    while !names.is_finished() {
        let name: AnyRef<'_> = names.decode()?;
        if let Tag::ContextSpecific { number, .. } = der::Tagged::tag(&name)
            && OF_HOSTS.contains(&number)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_for_servers(der: &[u8]) -> der::Result<bool> {
    const EXTENDED_KEY_USAGE: [u8; 3] = [0x55, 0x1D, 0x25];
    const SERVER_AUTH: [u8; 8] = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
    const ANY: [u8; 4] = [0x55, 0x1D, 0x25, 0x00];
    let Some(purposes) = extension(der, EXTENDED_KEY_USAGE)? else { return Ok(true) };
    let mut purposes = inside(&mut SliceReader::new(purposes)?, Tag::Sequence)?;
    while !purposes.is_finished() {
        let purpose: AnyRef<'_> = purposes.decode()?;
        if purpose.value() == SERVER_AUTH || purpose.value() == ANY {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_authority(der: &[u8]) -> der::Result<bool> {
    const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1D, 0x13];
    let mut tbs = signed(der)?;
    if Tag::peek(&tbs)? != VERSION {
        return Ok(true);
    }
    for _version_serial_signature in 0..3 {
        tbs.tlv_bytes()?;
    }
    let issuer = tbs.tlv_bytes()?;
    let _validity = tbs.tlv_bytes()?;
    if tbs.tlv_bytes()? == issuer {
        return Ok(true);
    }
    let Some(constraints) = extension(der, BASIC_CONSTRAINTS)? else { return Ok(false) };
    let mut constraints = inside(&mut SliceReader::new(constraints)?, Tag::Sequence)?;
    if constraints.is_finished() {
        return Ok(false);
    }
    let first: AnyRef<'_> = constraints.decode()?;
    Ok(der::Tagged::tag(&first) == Tag::Boolean && first.value() != [0])
}

fn alternative_uris(der: &[u8]) -> der::Result<usize> {
    let uri = Tag::ContextSpecific { constructed: false, number: TagNumber(6) };
    let Some(names) = extension(der, ALTERNATIVE_NAMES)? else { return Ok(0) };
    let (mut names, mut uris) = (inside(&mut SliceReader::new(names)?, Tag::Sequence)?, 0);
    while !names.is_finished() {
        let name: AnyRef<'_> = names.decode()?;
        uris += usize::from(der::Tagged::tag(&name) == uri);
    }
    Ok(uris)
}

const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1D, 0x11];

/// The value of an extension (RFC 5280 section 4.2), which a certificate has once at most.
fn extension(der: &[u8], wanted: [u8; 3]) -> der::Result<Option<&[u8]>> {
    const EXTENSIONS: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(3) };
    let mut tbs = signed(der)?;
    while !tbs.is_finished() {
        let member: AnyRef<'_> = tbs.decode()?;
        if der::Tagged::tag(&member) != EXTENSIONS {
            continue;
        }
        let mut extensions = inside(&mut SliceReader::new(member.value())?, Tag::Sequence)?;
        while !extensions.is_finished() {
            let mut extension = inside(&mut extensions, Tag::Sequence)?;
            let id: AnyRef<'_> = extension.decode()?;
            if id.value() != wanted {
                continue;
            }
            let mut value: AnyRef<'_> = extension.decode()?;
            if der::Tagged::tag(&value) == Tag::Boolean {
                value = extension.decode()?;
            }
            return Ok(Some(of_kind(value, Tag::OctetString)?.value()));
        }
    }
    Ok(None)
}

const VERSION: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };

fn certificate(der: &[u8]) -> der::Result<Certificate> {
    let mut tbs = signed(der)?;
    if Tag::peek(&tbs)? == VERSION {
        tbs.tlv_bytes()?;
    }
    for _serial_signature_issuer in 0..3 {
        tbs.tlv_bytes()?;
    }
    let mut validity = inside(&mut tbs, Tag::Sequence)?;
    let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
    Ok(Certificate { subject: Name(tbs.tlv_bytes()?.into()), not_before, not_after })
}

fn revocation_list(der: &[u8]) -> der::Result<RevocationList> {
    let mut tbs = signed(der)?;
    if Tag::peek(&tbs)? == Tag::Integer {
        tbs.tlv_bytes()?;
    }
    let _signature = tbs.tlv_bytes()?;
    let issuer = Name(tbs.tlv_bytes()?.into());
    let _this_update = tbs.tlv_bytes()?;
    let next_update = match Tag::peek(&tbs) {
        Ok(Tag::UtcTime | Tag::GeneralizedTime) => Some(time(&mut tbs)?),
        _ => None,
    };
    Ok(RevocationList { issuer, next_update })
}

/// What is signed: the first member of the outermost sequence.
fn signed(der: &[u8]) -> der::Result<SliceReader<'_>> {
    inside(&mut inside(&mut SliceReader::new(der)?, Tag::Sequence)?, Tag::Sequence)
}

fn inside<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> der::Result<SliceReader<'a>> {
    let found: AnyRef<'a> = reader.decode()?;
    SliceReader::new(of_kind(found, tag)?.value())
}

fn of_kind(found: AnyRef<'_>, tag: Tag) -> der::Result<AnyRef<'_>> {
    der::Tagged::tag(&found).assert_eq(tag)?;
    Ok(found)
}

/// UTCTime until 2049, GeneralizedTime from then on.
fn time(reader: &mut SliceReader<'_>) -> der::Result<SystemTime> {
    Ok(match Tag::peek(reader)? {
        Tag::UtcTime => reader.decode::<UtcTime>()?.to_system_time(),
        _ => reader.decode::<GeneralizedTime>()?.to_system_time(),
    })
}

impl Name {
    /// The attributes that people know an authority by, with their short names (RFC 4519).
    fn attributes(&self) -> der::Result<Vec<(&'static str, String)>> {
        let mut known = Vec::new();
        let mut parts = inside(&mut SliceReader::new(&self.0)?, Tag::Sequence)?;
        while !parts.is_finished() {
            let mut part = inside(&mut parts, Tag::Set)?;
            while !part.is_finished() {
                let mut attribute = inside(&mut part, Tag::Sequence)?;
                let (kind, value): (AnyRef<'_>, AnyRef<'_>) = (attribute.decode()?, attribute.decode()?);
                let label = match of_kind(kind, Tag::ObjectIdentifier)?.value() {
                    // 2.5.4.x
                    [0x55, 0x04, 3] => "CN",
                    [0x55, 0x04, 6] => "C",
                    [0x55, 0x04, 10] => "O",
                    [0x55, 0x04, 11] => "OU",
                    _ => continue,
                };
                let text = String::from_utf8_lossy(value.value());
                let shown = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(64);
                known.push((label, shown.collect()));
            }
        }
        Ok(known)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attributes = self.attributes().unwrap_or_default();
        if attributes.is_empty() {
            return f.write_str("(no name)");
        }
        let parts: Vec<_> = attributes.iter().map(|(label, value)| format!("{label}={value}")).collect();
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
mod tests;
