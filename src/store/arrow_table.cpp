// Between Arrow's arrays and the store's tables: the one place that knows both.
#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <limits>

#include "store/table.h"

namespace signalbook {

namespace {

Status unsupported(const arrow::DataType& type) {
  return Status::invalid(
      fmt::format("type {} is none that Signalbook reads; cast it to a number, text or time", type.ToString()));
}

// Calls append(row) for every row that is not NULL. The place of a failure is only written down when there is one.
template <typename Append>
Status fill(const arrow::Array& array, TableColumn& column, Append&& append) {
  for (int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) {
      column.append_null();
    } else if (const Status status = append(row); !status.ok()) {
      return status.at(fmt::format("row {}", row + 1));
    }
  }
  return Status();
}

template <typename ArrayType>
Status fill_integers(const arrow::Array& array, TableColumn& column) {
  const auto& typed = static_cast<const ArrayType&>(array);
  return fill(array, column, [&](int64_t row) -> Status {
    const auto value = typed.Value(row);
    if constexpr (std::is_same_v<ArrayType, arrow::UInt64Array>) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Status::invalid(fmt::format("{} is too large", value));
      }
    }
    column.append_integer(static_cast<int64_t>(value));
    return Status();
  });
}

template <typename ArrayType>
Status fill_reals(const arrow::Array& array, TableColumn& column) {
  const auto& typed = static_cast<const ArrayType&>(array);
  column.type = ColumnType::real;
  return fill(array, column, [&](int64_t row) {
    column.append_real(static_cast<double>(typed.Value(row)));
    return Status();
  });
}

template <typename ArrayType>
Status fill_texts(const arrow::Array& array, TableColumn& column) {
  const auto& typed = static_cast<const ArrayType&>(array);
  column.type = ColumnType::text;
  return fill(array, column, [&](int64_t row) {
    column.append_text(std::string(typed.GetView(row)));
    return Status();
  });
}

// A time of any unit in microseconds; what lies between two of them is refused, never rounded.
template <typename ArrayType>
Status fill_times(const arrow::Array& array, TableColumn& column, int64_t multiply, int64_t divide) {
  const auto& typed = static_cast<const ArrayType&>(array);
  column.type = ColumnType::timestamp;
  return fill(array, column, [&](int64_t row) -> Status {
    int64_t value = static_cast<int64_t>(typed.Value(row));
    if (__builtin_mul_overflow(value, multiply, &value)) return Status::invalid("the time is out of range");
    if (value % divide != 0) {
      return Status::invalid("the time has nanoseconds that microseconds cannot hold; round it before recording");
    }
    column.append_integer(value / divide);
    return Status();
  });
}

Status fill_timestamps(const arrow::Array& array, TableColumn& column) {
  const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
  column.time_zone_given = !type.timezone().empty();
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      return fill_times<arrow::TimestampArray>(array, column, 1'000'000, 1);
    case arrow::TimeUnit::MILLI:
      return fill_times<arrow::TimestampArray>(array, column, 1'000, 1);
    case arrow::TimeUnit::MICRO:
      return fill_times<arrow::TimestampArray>(array, column, 1, 1);
    case arrow::TimeUnit::NANO:
      return fill_times<arrow::TimestampArray>(array, column, 1, 1'000);
  }
  return unsupported(type);
}

Status fill_column(const arrow::Array& array, TableColumn& column);

Status fill_dictionary(const arrow::Array& array, TableColumn& column) {
  const auto& typed = static_cast<const arrow::DictionaryArray&>(array);
  TableColumn values;
  SB_RETURN_IF_ERROR(fill_column(*typed.dictionary(), values));
  if (values.type == ColumnType::text_list) return unsupported(*array.type());
  column.type = values.type;
  column.width = values.width;
  column.time_zone_given = values.time_zone_given;
  return fill(array, column, [&](int64_t row) {
    const auto place = static_cast<size_t>(typed.GetValueIndex(row));
    if (values.is_null(place)) {
      column.append_null();
    } else if (!values.integers.empty()) {
      column.append_integer(values.integers[place]);
    } else if (!values.reals.empty()) {
      column.append_real(values.reals[place]);
    } else {
      column.append_text(values.texts[place]);
    }
    return Status();
  });
}

Status fill_list(const arrow::Array& array, TableColumn& column) {
  const auto& typed = static_cast<const arrow::ListArray&>(array);
  if (typed.value_type()->id() != arrow::Type::STRING) return unsupported(*array.type());
  const auto& values = static_cast<const arrow::StringArray&>(*typed.values());
  column.type = ColumnType::text_list;
  return fill(array, column, [&](int64_t row) {
    std::vector<std::string> list;
    for (int64_t i = typed.value_offset(row); i < typed.value_offset(row + 1); ++i) list.push_back(values.GetString(i));
    column.append_list(std::move(list));
    return Status();
  });
}

Status fill_column(const arrow::Array& array, TableColumn& column) {
  constexpr int64_t kMicrosecondsPerDay = 86'400'000'000;
  column.type = ColumnType::int64;
  switch (array.type_id()) {
    case arrow::Type::NA:
      column.type = ColumnType::text;
      for (int64_t row = 0; row < array.length(); ++row) column.append_null();
      return Status();
    case arrow::Type::BOOL:
      column.type = ColumnType::boolean;
      return fill_integers<arrow::BooleanArray>(array, column);
    case arrow::Type::INT8:
      return fill_integers<arrow::Int8Array>(array, column);
    case arrow::Type::INT16:
      return fill_integers<arrow::Int16Array>(array, column);
    case arrow::Type::INT32:
      return fill_integers<arrow::Int32Array>(array, column);
    case arrow::Type::INT64:
      return fill_integers<arrow::Int64Array>(array, column);
    case arrow::Type::UINT8:
      return fill_integers<arrow::UInt8Array>(array, column);
    case arrow::Type::UINT16:
      return fill_integers<arrow::UInt16Array>(array, column);
    case arrow::Type::UINT32:
      return fill_integers<arrow::UInt32Array>(array, column);
    case arrow::Type::UINT64:
      return fill_integers<arrow::UInt64Array>(array, column);
    case arrow::Type::FLOAT:
      return fill_reals<arrow::FloatArray>(array, column);
    case arrow::Type::DOUBLE:
      return fill_reals<arrow::DoubleArray>(array, column);
    case arrow::Type::STRING:
      return fill_texts<arrow::StringArray>(array, column);
    case arrow::Type::LARGE_STRING:
      return fill_texts<arrow::LargeStringArray>(array, column);
    case arrow::Type::STRING_VIEW:
      return fill_texts<arrow::StringViewArray>(array, column);
    case arrow::Type::BINARY:
      SB_RETURN_IF_ERROR(fill_texts<arrow::BinaryArray>(array, column));
      column.type = ColumnType::bytes;  // of no common width: to be read, not written
      return Status();
    case arrow::Type::FIXED_SIZE_BINARY: {
      SB_RETURN_IF_ERROR(fill_texts<arrow::FixedSizeBinaryArray>(array, column));
      column.type = ColumnType::bytes;
      column.width = static_cast<const arrow::FixedSizeBinaryType&>(*array.type()).byte_width();
      return Status();
    }
    case arrow::Type::TIMESTAMP:
      return fill_timestamps(array, column);
    case arrow::Type::DATE32: {
      column.time_zone_given = false;
      return fill_times<arrow::Date32Array>(array, column, kMicrosecondsPerDay, 1);
    }
    case arrow::Type::DATE64: {
      column.time_zone_given = false;
      return fill_times<arrow::Date64Array>(array, column, 1'000, 1);
    }
    case arrow::Type::DECIMAL128: {
      const auto& typed = static_cast<const arrow::Decimal128Array&>(array);
      const int32_t scale = static_cast<const arrow::Decimal128Type&>(*array.type()).scale();
      column.type = ColumnType::real;
      return fill(array, column, [&](int64_t row) {
        column.append_real(arrow::Decimal128(typed.GetValue(row)).ToDouble(scale));
        return Status();
      });
    }
    case arrow::Type::DICTIONARY:
      return fill_dictionary(array, column);
    case arrow::Type::LIST:
      return fill_list(array, column);
    default:
      return unsupported(*array.type());
  }
}

// ---- and back ----

template <typename Builder, typename Append>
arrow::Result<std::shared_ptr<arrow::Array>> build(Builder& builder, const TableColumn& column, Append&& append) {
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(column.size())));
  for (size_t row = 0; row < column.size(); ++row) {
    ARROW_RETURN_NOT_OK(column.is_null(row) ? builder.AppendNull() : append(row));
  }
  return builder.Finish();
}

arrow::Result<std::shared_ptr<arrow::Array>> to_arrow(const TableColumn& column) {
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  switch (column.type) {
    case ColumnType::boolean: {
      arrow::BooleanBuilder builder(pool);
      return build(builder, column, [&](size_t row) { return builder.Append(column.integers[row] != 0); });
    }
    case ColumnType::int32: {
      arrow::Int32Builder builder(pool);
      return build(builder, column,
                   [&](size_t row) { return builder.Append(static_cast<int32_t>(column.integers[row])); });
    }
    case ColumnType::int64: {
      arrow::Int64Builder builder(pool);
      return build(builder, column, [&](size_t row) { return builder.Append(column.integers[row]); });
    }
    case ColumnType::timestamp: {
      arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), pool);
      return build(builder, column, [&](size_t row) { return builder.Append(column.integers[row]); });
    }
    case ColumnType::real: {
      arrow::DoubleBuilder builder(pool);
      return build(builder, column, [&](size_t row) { return builder.Append(column.reals[row]); });
    }
    case ColumnType::text: {
      arrow::StringBuilder builder(pool);
      return build(builder, column, [&](size_t row) { return builder.Append(column.texts[row]); });
    }
    case ColumnType::bytes: {
      arrow::FixedSizeBinaryBuilder builder(arrow::fixed_size_binary(column.width), pool);
      return build(builder, column, [&](size_t row) { return builder.Append(column.texts[row]); });
    }
    case ColumnType::text_list: {
      auto values = std::make_shared<arrow::StringBuilder>(pool);
      arrow::ListBuilder builder(pool, values);
      return build(builder, column, [&](size_t row) {
        const arrow::Status status = builder.Append();
        return status.ok() ? values->AppendValues(column.lists[row]) : status;
      });
    }
  }
  return arrow::Status::Invalid("unknown column type");
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> to_batch(const Table& table) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const TableColumn& column : table.columns) {
    ARROW_ASSIGN_OR_RAISE(auto array, to_arrow(column));
    fields.push_back(arrow::field(column.name, array->type()));
    arrays.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), static_cast<int64_t>(table.row_count()),
                                  std::move(arrays));
}

Status from_arrow_status(const arrow::Status& status) {
  return status.ok() ? Status() : Status::io_error(status.message());
}

}  // namespace

Status table_to_arrow(const Table& table, ArrowArray* array, ArrowSchema* schema) {
  const auto batch = to_batch(table);
  if (!batch.ok()) return from_arrow_status(batch.status());
  return from_arrow_status(arrow::ExportRecordBatch(**batch, array, schema));
}

Status table_to_stream(const Table& table, ArrowArrayStream* stream) {
  const auto batch = to_batch(table);
  if (!batch.ok()) return from_arrow_status(batch.status());
  const auto reader = arrow::RecordBatchReader::Make({*batch}, (*batch)->schema());
  if (!reader.ok()) return from_arrow_status(reader.status());
  return from_arrow_status(arrow::ExportRecordBatchReader(*reader, stream));
}

Result<Table> table_from_stream(ArrowArrayStream* stream) {
  const auto reader = arrow::ImportRecordBatchReader(stream);
  if (!reader.ok()) return Status::invalid(reader.status().message());
  const auto whole = (*reader)->ToTable();
  if (!whole.ok()) return Status::invalid(whole.status().message());
  const auto batch = (*whole)->CombineChunksToBatch();
  if (!batch.ok()) return Status::io_error(batch.status().message());
  ArrowArray c_batch;
  ArrowSchema c_schema;
  SB_RETURN_IF_ERROR(from_arrow_status(arrow::ExportRecordBatch(**batch, &c_batch, &c_schema)));
  return table_from_arrow(&c_batch, &c_schema);
}

Result<Table> table_from_arrow(ArrowArray* c_batch, ArrowSchema* c_schema) {
  const auto imported = arrow::ImportRecordBatch(c_batch, c_schema);
  if (!imported.ok()) return Status::invalid(imported.status().message());
  const arrow::RecordBatch& batch = **imported;
  Table table;
  for (int i = 0; i < batch.num_columns(); ++i) {
    TableColumn& column = table.columns.emplace_back();
    column.name = batch.column_name(i);
    SB_RETURN_IF_ERROR(fill_column(*batch.column(i), column).at(fmt::format("column '{}'", column.name)));
  }
  return table;
}

}  // namespace signalbook
