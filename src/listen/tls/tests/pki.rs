//! Certificates for tests: authorities, what they issue, and what they revoke.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
    pub(crate) der: CertificateDer<'static>,
}

/// A certificate and its key.
pub(crate) struct Certified {
    pub(crate) cert_pem: String,
    pub(crate) key_pem: String,
    pub(crate) der: CertificateDer<'static>,
    serial: u64,
}

/// What is to be in a certificate.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) uris: Vec<&'static str>,
    pub(crate) dns: Vec<&'static str>,
    pub(crate) common_name: &'static str,
    pub(crate) serial: u64,
    /// The year at whose beginning it ends; 0: 2100.
    pub(crate) until: i32,
    /// What it is for; none: clients and servers.
    pub(crate) purposes: Vec<ExtendedKeyUsagePurpose>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2110, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn issue(&self, wanted: &Wanted) -> Certified {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let uris = wanted.uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        let dns = wanted.dns.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()));
        params.subject_alt_names = uris.chain(dns).collect();
        params.distinguished_name.push(DnType::CommonName, wanted.common_name);
        params.extended_key_usages = match &*wanted.purposes {
            [] => vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
            purposes => purposes.to_vec(),
        };
        params.serial_number = Some(SerialNumber::from(wanted.serial.max(1)));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(if wanted.until == 0 { 2100 } else { wanted.until }, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Certified {
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            serial: wanted.serial.max(1),
        }
    }

    /// A server's, for these names.
    pub(crate) fn server(&self, dns: &[&'static str]) -> Certified {
        self.issue(&Wanted { dns: dns.to_vec(), ..Wanted::default() })
    }

    /// A revocation list that is good until the beginning of a year, as PEM.
    pub(crate) fn revoke(&self, revoked: &[&Certified], until: i32) -> String {
        let one = |certified: &&Certified| RevokedCertParams {
            serial_number: SerialNumber::from(certified.serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Certified {
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        use rustls::pki_types::pem::PemObject as _;
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).unwrap()
    }
}
