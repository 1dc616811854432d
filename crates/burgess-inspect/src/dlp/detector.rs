//! What the scanner can find: the kinds, their classes, and what they weigh before any evidence.
//! How a kind is recognised is in `shape/` and `validator.rs`; what surrounds it is in `context.rs`.

use burgess_core::data::Classification;

/// Detector class, as `contract.md` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Personally identifiable information.
    Pii,
    /// Protected health information.
    Phi,
    /// Account and card numbers.
    Financial,
    /// Credentials and keys.
    Secret,
}

impl Class {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pii => "pii",
            Self::Phi => "phi",
            Self::Financial => "financial",
            Self::Secret => "secret",
        }
    }

    /// The charter classification that data of this class has.
    pub const fn classification(self) -> Classification {
        match self {
            Self::Phi => Classification::Phi,
            Self::Pii | Self::Financial => Classification::Pii,
            Self::Secret => Classification::Sensitive,
        }
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Worth showing; too weak to stop a call.
    Note,
    /// Strong enough for a policy to stop a call.
    Block,
}

impl Grade {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Block => "block",
        }
    }
}

/// What the scanner looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Payment card number (ISO/IEC 7812), 12 to 19 digits.
    CreditCard,
    /// International bank account number (ISO 13616).
    Iban,
    /// E-mail address (RFC 5321 dot-atom form).
    Email,
    /// US social security number.
    UsSsn,
    /// AWS access key id.
    AwsAccessKey,
    /// AWS secret access key: only beside its name or its id.
    AwsSecretKey,
    /// Private key in PEM form (RFC 7468, OpenSSH, OpenPGP), also base64 of such a file.
    PrivateKey,
}

impl Kind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::CreditCard,
        Self::Iban,
        Self::Email,
        Self::UsSsn,
        Self::AwsAccessKey,
        Self::AwsSecretKey,
        Self::PrivateKey,
    ];

    /// The entity name, as `contract.md` and other scanners write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreditCard => "CREDIT_CARD",
            Self::Iban => "IBAN_CODE",
            Self::Email => "EMAIL_ADDRESS",
            Self::UsSsn => "US_SSN",
            Self::AwsAccessKey => "SECRET_AWS_ACCESS_KEY",
            Self::AwsSecretKey => "SECRET_AWS_SECRET_KEY",
            Self::PrivateKey => "SECRET_PRIVATE_KEY",
        }
    }

    /// The name for people, in the plural.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::CreditCard => "payment card numbers",
            Self::Iban => "bank account numbers (IBAN)",
            Self::Email => "e-mail addresses",
            Self::UsSsn => "US social security numbers",
            Self::AwsAccessKey => "AWS access key ids",
            Self::AwsSecretKey => "AWS secret access keys",
            Self::PrivateKey => "private keys",
        }
    }

    /// Reads an entity name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The class of the kind.
    pub const fn class(self) -> Class {
        match self {
            Self::CreditCard | Self::Iban => Class::Financial,
            Self::Email | Self::UsSsn => Class::Pii,
            Self::AwsAccessKey | Self::AwsSecretKey | Self::PrivateKey => Class::Secret,
        }
    }

    /// Words in a field name, a column head or the text around that speak for this kind.
    pub(crate) const fn speaks_for(self) -> &'static [&'static str] {
        match self {
            Self::CreditCard => &[
                "card",
                "cards",
                "creditcard",
                "debitcard",
                "cardnumber",
                "cardno",
                "ccnumber",
                "ccnum",
                "ccn",
                "cc",
                "pan",
                "visa",
                "mastercard",
                "amex",
                "maestro",
                "kreditkarte",
                "kartennummer",
                "carte",
            ],
            Self::Iban => &[
                "iban",
                "ibans",
                "bban",
                "bankaccount",
                "accountnumber",
                "accountno",
                "bank",
                "kontonummer",
                "konto",
                "sepa",
                "compte",
            ],
            Self::Email => &[
                "email",
                "emails",
                "mail",
                "mailto",
                "recipient",
                "sender",
                "contact",
            ],
            Self::UsSsn => &[
                "ssn",
                "ssns",
                "ss",
                "socialsecurity",
                "social",
                "socialsecuritynumber",
                "taxid",
                "tin",
                "taxpayer",
            ],
            Self::AwsAccessKey | Self::AwsSecretKey => &[
                "aws",
                "amazon",
                "accesskey",
                "accesskeyid",
                "secretaccesskey",
                "secretkey",
            ],
            Self::PrivateKey => &["privatekey", "key", "pem"],
        }
    }
}

/// Words in a field name, a column head or the text around that speak for an ordinary number.
pub(crate) const SPEAKS_AGAINST: &[&str] = &[
    "order",
    "orders",
    "orderid",
    "orderno",
    "sku",
    "tracking",
    "track",
    "shipment",
    "parcel",
    "invoice",
    "ref",
    "reference",
    "id",
    "ids",
    "uuid",
    "guid",
    "hash",
    "sha",
    "sha1",
    "sha256",
    "md5",
    "etag",
    "digest",
    "checksum",
    "crc",
    "trace",
    "traceid",
    "span",
    "spanid",
    "request",
    "requestid",
    "session",
    "ts",
    "time",
    "timestamp",
    "epoch",
    "date",
    "offset",
    "off",
    "took",
    "bytes",
    "size",
    "length",
    "count",
    "total",
    "version",
    "ver",
    "build",
    "serial",
    "isbn",
    "issn",
    "ean",
    "upc",
    "gtin",
    "barcode",
    "part",
    "catalog",
    "catalogue",
    "article",
    "item",
    "product",
    "batch",
    "lot",
    "nonce",
    "seq",
    "sequence",
    "commit",
    "revision",
    "rev",
    "lat",
    "lon",
    "price",
    "qty",
    "amount",
    "phone",
    "fax",
    "tel",
    "telephone",
    "zip",
    "sensor",
    "meter",
    "device",
    "imei",
    "ticket",
    "case",
    "transaction",
    "txn",
    "row",
    "line",
    "page",
    "user",
];
