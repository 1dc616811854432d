//! The columns of an archive file: their types, how they are packed, and the way there and back.
//!
//! The leaf is stored byte for byte, because readers hash it. Hashes and sealed values do not
//! compress; the leaves of a page have nearly everything in common and do.

use std::sync::{Arc, LazyLock};

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::RowGroupReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};
use serde::Deserialize;

use burgess_core::time::Timestamp;

use super::Entry;

/// Places of the columns that are read back.
const INDEX: usize = 1;
const LEAF_HASH: usize = 2;
const LEAF: usize = 3;
const SEALED: usize = 4;

/// What stands in a file. The open columns are optional: a shard's first leaf may be the last
/// checkpoint of the shard before, which is no event.
const MESSAGE: &str = "
message burgess_archive {
    required binary shard (UTF8);
    required int64 index (INTEGER(64,false));
    required fixed_len_byte_array(32) leaf_hash;
    required binary leaf;
    required binary sealed;
    optional int64 timestamp (TIMESTAMP(MICROS,true));
    optional binary event_id (UTF8);
    optional binary app_id (UTF8);
    optional binary action_type (UTF8);
    optional binary outcome (UTF8);
    optional binary data_classification (UTF8);
}";

/// Bytes of one page of leaves before compression: the compressor looks for likeness within a
/// page, and some 4,000 leaves of the usual size show it all there is.
const PAGE_BYTES: usize = 2 << 20;

/// Of zstd's 22: beyond it a day costs minutes and saves no hundredth.
const LEVEL: i32 = 9;

pub(super) static SCHEMA: LazyLock<Option<TypePtr>> =
    LazyLock::new(|| parse_message_type(MESSAGE).ok().map(Arc::new));

pub(super) fn properties(metadata: Vec<KeyValue>) -> Result<WriterProperties> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(LEVEL)?);
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("burgess ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(metadata))
        .set_compression(zstd)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_max_row_group_row_count(None)
        .set_data_page_row_count_limit(usize::MAX)
        .set_statistics_truncate_length(Some(64))
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: 1,
            descending: false,
            nulls_first: false,
        }]));
    for plain in [
        "index",
        "leaf_hash",
        "leaf",
        "sealed",
        "timestamp",
        "event_id",
    ] {
        properties = properties.set_column_dictionary_enabled(plain.into(), false);
    }
    for opaque in ["leaf_hash", "leaf", "sealed"] {
        properties =
            properties.set_column_statistics_enabled(opaque.into(), EnabledStatistics::None);
    }
    for hopeless in ["leaf_hash", "sealed"] {
        properties = properties
            .set_column_compression(ColumnPath::from(hopeless), Compression::UNCOMPRESSED);
    }
    for counting in ["index", "timestamp"] {
        properties = properties.set_column_encoding(counting.into(), Encoding::DELTA_BINARY_PACKED);
    }
    Ok(properties
        .set_column_encoding("event_id".into(), Encoding::DELTA_BYTE_ARRAY)
        .build())
}

/// The open fields of a leaf; none of them where it is no event.
#[derive(Default, Deserialize)]
struct Open {
    timestamp: Option<Timestamp>,
    event_id: Option<String>,
    app_id: Option<String>,
    action_type: Option<String>,
    outcome: Option<String>,
    data_classification: Option<String>,
}

type Column = fn(&Open) -> Option<&String>;

/// The open text columns, in the order of the schema.
const TEXTS: [Column; 5] = [
    |open| open.event_id.as_ref(),
    |open| open.app_id.as_ref(),
    |open| open.action_type.as_ref(),
    |open| open.outcome.as_ref(),
    |open| open.data_classification.as_ref(),
];

/// Writes one row group.
pub(super) fn write<W: std::io::Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    shard: &str,
    entries: &[Entry],
) -> Result<()> {
    let open: Vec<Open> = entries
        .iter()
        .map(|entry| serde_json::from_slice(&entry.leaf).unwrap_or_default())
        .collect();
    let bytes = |value: &[u8]| ByteArray::from(value.to_vec());
    let mut group = Group(writer.next_row_group()?);
    let shards = vec![bytes(shard.as_bytes()); entries.len()];
    group.put::<ByteArrayType>(&shards, None)?;
    let indices: Result<Vec<i64>> = entries.iter().map(|entry| signed(entry.index)).collect();
    group.put::<Int64Type>(&indices?, None)?;
    let hashes: Vec<_> = entries
        .iter()
        .map(|entry| FixedLenByteArray::from(entry.leaf_hash.to_vec()))
        .collect();
    group.put::<FixedLenByteArrayType>(&hashes, None)?;
    let leaves: Vec<_> = entries.iter().map(|entry| bytes(&entry.leaf)).collect();
    group.put::<ByteArrayType>(&leaves, None)?;
    let sealed: Vec<_> = entries.iter().map(|entry| bytes(&entry.sealed)).collect();
    group.put::<ByteArrayType>(&sealed, None)?;
    let times = open.iter().map(|open| open.timestamp);
    let levels: Vec<i16> = times
        .clone()
        .map(|time| i16::from(time.is_some()))
        .collect();
    let times: Vec<i64> = times.flatten().map(Timestamp::as_micros).collect();
    group.put::<Int64Type>(&times, Some(&levels))?;
    for column in TEXTS {
        let texts = open.iter().map(column);
        let levels: Vec<i16> = texts
            .clone()
            .map(|text| i16::from(text.is_some()))
            .collect();
        let texts: Vec<_> = texts.flatten().map(|text| bytes(text.as_bytes())).collect();
        group.put::<ByteArrayType>(&texts, Some(&levels))?;
    }
    group.0.close()?;
    Ok(())
}

struct Group<'a, W: std::io::Write>(parquet::file::writer::SerializedRowGroupWriter<'a, W>);

impl<W: std::io::Write + Send> Group<'_, W> {
    /// Writes the next column.
    fn put<T: parquet::data_type::DataType>(
        &mut self,
        values: &[T::T],
        levels: Option<&[i16]>,
    ) -> Result<()> {
        let mut column = self
            .0
            .next_column()?
            .ok_or_else(|| broken("a column too many"))?;
        column.typed::<T>().write_batch(values, levels, None)?;
        column.close()
    }
}

/// Reads one row group back.
pub(super) fn read(group: &dyn RowGroupReader) -> Result<Vec<Entry>> {
    let rows = usize::try_from(group.metadata().num_rows()).map_err(|_| broken("a row count"))?;
    let indices = take::<Int64Type>(group, INDEX, rows)?;
    let hashes = take::<FixedLenByteArrayType>(group, LEAF_HASH, rows)?;
    let leaves = take::<ByteArrayType>(group, LEAF, rows)?;
    let sealed = take::<ByteArrayType>(group, SEALED, rows)?;
    let rows = indices.into_iter().zip(hashes).zip(leaves).zip(sealed);
    rows.map(|(((index, hash), leaf), sealed)| {
        Ok(Entry {
            index: u64::try_from(index).map_err(|_| broken("a negative index"))?,
            leaf_hash: hash.data().try_into().map_err(|_| broken("a short hash"))?,
            leaf: leaf.data().to_vec(),
            sealed: sealed.data().to_vec(),
        })
    })
    .collect()
}

/// Reads one column whole.
fn take<T: parquet::data_type::DataType>(
    group: &dyn RowGroupReader,
    place: usize,
    rows: usize,
) -> Result<Vec<T::T>> {
    let reader = group.get_column_reader(place)?;
    let mut reader = parquet::column::reader::get_typed_column_reader::<T>(reader);
    let mut values = Vec::new();
    while values.len() < rows {
        let (read, ..) = reader.read_records(rows - values.len(), None, None, &mut values)?;
        if read == 0 {
            return Err(broken("a column that ends too early"));
        }
    }
    Ok(values)
}

fn signed(index: u64) -> Result<i64> {
    i64::try_from(index).map_err(|_| broken("an index beyond 2^63"))
}

pub(super) fn broken(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}
