#include "cli/result_rows.h"

#include <arrow/api.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <utility>

#include "base/utf8.h"

namespace signalbook::cli {

namespace {

int64_t units_per_second(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    case arrow::TimeUnit::MICRO:
      return 1'000'000;
    case arrow::TimeUnit::NANO:
      return 1'000'000'000;
  }
  return 1;
}

template <typename T>
const T& as(const arrow::Array& array) {
  return static_cast<const T&>(array);
}

Status append_value(const arrow::Array& array, int64_t i, CellStyle style, std::string& out);

Status append_list(const arrow::Array& values, int64_t begin, int64_t end, std::string& out) {
  out += '[';
  for (int64_t i = begin; i < end; ++i) {
    if (i > begin) out += ',';
    SB_RETURN_IF_ERROR(append_value(values, i, CellStyle::json, out));
  }
  out += ']';
  return Status();
}

Status append_struct(const arrow::StructArray& array, int64_t i, std::string& out) {
  out += '{';
  for (int field = 0; field < array.num_fields(); ++field) {
    if (field > 0) out += ',';
    append_json_text(array.struct_type()->field(field)->name(), out);
    out += ':';
    SB_RETURN_IF_ERROR(append_value(*array.field(field), i, CellStyle::json, out));
  }
  out += '}';
  return Status();
}

// An object; its keys are texts, whatever they are in the map.
Status append_map(const arrow::MapArray& array, int64_t i, std::string& out) {
  out += '{';
  for (int64_t entry = array.value_offset(i); entry < array.value_offset(i + 1); ++entry) {
    if (entry > array.value_offset(i)) out += ',';
    std::string key;
    SB_RETURN_IF_ERROR(append_value(*array.keys(), entry, CellStyle::text, key));
    append_json_text(key, out);
    out += ':';
    SB_RETURN_IF_ERROR(append_value(*array.items(), entry, CellStyle::json, out));
  }
  out += '}';
  return Status();
}

template <typename ArrayType>
Status append_integer(const arrow::Array& array, int64_t i, std::string& out) {
  out += fmt::format_int(as<ArrayType>(array).Value(i)).c_str();
  return Status();
}

// A value as a table cell or as JSON. NULL is nothing in the one and null in the other; what is nested is JSON in both.
Status append_value(const arrow::Array& array, int64_t i, CellStyle style, std::string& out) {
  if (array.IsNull(i)) {
    if (style == CellStyle::json) out += "null";
    return Status();
  }
  switch (array.type_id()) {
    case arrow::Type::NA:
      return Status();
    case arrow::Type::BOOL:
      out += as<arrow::BooleanArray>(array).Value(i) ? "true" : "false";
      return Status();
    case arrow::Type::INT8:
      return append_integer<arrow::Int8Array>(array, i, out);
    case arrow::Type::INT16:
      return append_integer<arrow::Int16Array>(array, i, out);
    case arrow::Type::INT32:
      return append_integer<arrow::Int32Array>(array, i, out);
    case arrow::Type::INT64:
      return append_integer<arrow::Int64Array>(array, i, out);
    case arrow::Type::UINT8:
      return append_integer<arrow::UInt8Array>(array, i, out);
    case arrow::Type::UINT16:
      return append_integer<arrow::UInt16Array>(array, i, out);
    case arrow::Type::UINT32:
      return append_integer<arrow::UInt32Array>(array, i, out);
    case arrow::Type::UINT64:
      return append_integer<arrow::UInt64Array>(array, i, out);
    case arrow::Type::FLOAT:
      append_float(as<arrow::FloatArray>(array).Value(i), style, out);
      return Status();
    case arrow::Type::DOUBLE:
      append_float(as<arrow::DoubleArray>(array).Value(i), style, out);
      return Status();
    case arrow::Type::DECIMAL32:
      out += as<arrow::Decimal32Array>(array).FormatValue(i);
      return Status();
    case arrow::Type::DECIMAL64:
      out += as<arrow::Decimal64Array>(array).FormatValue(i);
      return Status();
    case arrow::Type::DECIMAL128:
      out += as<arrow::Decimal128Array>(array).FormatValue(i);
      return Status();
    case arrow::Type::STRING:
      append_text(to_valid_utf8(as<arrow::StringArray>(array).GetView(i)), style, out);
      return Status();
    case arrow::Type::LARGE_STRING:
      append_text(to_valid_utf8(as<arrow::LargeStringArray>(array).GetView(i)), style, out);
      return Status();
    case arrow::Type::STRING_VIEW:
      append_text(to_valid_utf8(as<arrow::StringViewArray>(array).GetView(i)), style, out);
      return Status();
    case arrow::Type::LIST: {
      const auto& list = as<arrow::ListArray>(array);
      return append_list(*list.values(), list.value_offset(i), list.value_offset(i + 1), out);
    }
    case arrow::Type::LARGE_LIST: {
      const auto& list = as<arrow::LargeListArray>(array);
      return append_list(*list.values(), list.value_offset(i), list.value_offset(i + 1), out);
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& list = as<arrow::FixedSizeListArray>(array);
      return append_list(*list.values(), list.value_offset(i), list.value_offset(i + 1), out);
    }
    case arrow::Type::STRUCT:
      return append_struct(as<arrow::StructArray>(array), i, out);
    case arrow::Type::MAP:
      return append_map(as<arrow::MapArray>(array), i, out);
    case arrow::Type::DICTIONARY: {  // ENUM
      const auto& dictionary = as<arrow::DictionaryArray>(array);
      return append_value(*dictionary.dictionary(), dictionary.GetValueIndex(i), style, out);
    }
    case arrow::Type::EXTENSION:
      return append_value(*as<arrow::ExtensionArray>(array).storage(), i, style, out);
    case arrow::Type::DENSE_UNION: {
      const auto& values = as<arrow::DenseUnionArray>(array);
      return append_value(*values.field(values.child_id(i)), values.value_offset(i), style, out);
    }
    case arrow::Type::SPARSE_UNION: {
      const auto& values = as<arrow::SparseUnionArray>(array);
      return append_value(*values.field(values.child_id(i)), i, style, out);
    }
    default:
      break;
  }
  std::string text;  // what JSON has no type for is a string there
  switch (array.type_id()) {
    case arrow::Type::BINARY:
      append_hex(as<arrow::BinaryArray>(array).GetView(i), text);
      break;
    case arrow::Type::LARGE_BINARY:
      append_hex(as<arrow::LargeBinaryArray>(array).GetView(i), text);
      break;
    case arrow::Type::FIXED_SIZE_BINARY:
      append_hex(as<arrow::FixedSizeBinaryArray>(array).GetView(i), text);
      break;
    case arrow::Type::DATE32:
      text = date_text(as<arrow::Date32Array>(array).Value(i));
      break;
    case arrow::Type::DATE64:
      text = date_text(as<arrow::Date64Array>(array).Value(i) / 86'400'000);
      break;
    case arrow::Type::TIME32: {
      const auto& type = static_cast<const arrow::Time32Type&>(*array.type());
      text = clock_text(as<arrow::Time32Array>(array).Value(i), units_per_second(type.unit()));
      break;
    }
    case arrow::Type::TIME64: {
      const auto& type = static_cast<const arrow::Time64Type&>(*array.type());
      text = clock_text(as<arrow::Time64Array>(array).Value(i), units_per_second(type.unit()));
      break;
    }
    case arrow::Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
      text = timestamp_text(as<arrow::TimestampArray>(array).Value(i), units_per_second(type.unit()),
                            !type.timezone().empty());
      break;
    }
    case arrow::Type::INTERVAL_MONTH_DAY_NANO: {
      const auto value = as<arrow::MonthDayNanoIntervalArray>(array).Value(i);
      text = interval_text(value.months, value.days, value.nanoseconds);
      break;
    }
    default: {
      const arrow::Result<std::shared_ptr<arrow::Scalar>> scalar = array.GetScalar(i);
      if (!scalar.ok()) {
        return Status::invalid(
            fmt::format("a value of type {} cannot be shown; cast it to VARCHAR", array.type()->ToString()));
      }
      text = (*scalar)->ToString();
    }
  }
  append_text(text, style, out);
  return Status();
}

ResultColumn::Kind kind_of(arrow::Type::type type) {
  if (arrow::is_numeric(type) || arrow::is_decimal(type)) return ResultColumn::Kind::number;
  return arrow::is_temporal(type) || type == arrow::Type::BOOL ? ResultColumn::Kind::other : ResultColumn::Kind::text;
}

}  // namespace

struct ResultRows::State {
  ResultBatches& batches;
  std::shared_ptr<arrow::Schema> schema;
  std::vector<ResultColumn> columns;
  std::vector<std::shared_ptr<arrow::Array>> values;  // of the batch
  int64_t row = -1;
  int64_t row_count = 0;  // of the batch
};

ResultRows::ResultRows(std::unique_ptr<State> state) : state_(std::move(state)) {}
ResultRows::ResultRows(ResultRows&&) noexcept = default;
ResultRows::~ResultRows() = default;

Result<ResultRows> ResultRows::open(ResultBatches& batches) {
  ArrowSchema schema;
  SB_RETURN_IF_ERROR(batches.read_schema(&schema));
  arrow::Result<std::shared_ptr<arrow::Schema>> imported = arrow::ImportSchema(&schema);
  if (!imported.ok()) return Status::invalid(imported.status().message());
  std::vector<ResultColumn> columns;
  for (const std::shared_ptr<arrow::Field>& field : (*imported)->fields()) {
    columns.push_back({.name = field->name(), .kind = kind_of(field->type()->id())});
  }
  return ResultRows(std::unique_ptr<State>(new State{
      .batches = batches, .schema = std::move(imported).ValueUnsafe(), .columns = std::move(columns), .values = {}}));
}

const std::vector<ResultColumn>& ResultRows::columns() const { return state_->columns; }

Result<bool> ResultRows::next() {
  if (++state_->row < state_->row_count) return true;
  state_->values.clear();
  state_->row = 0;
  ArrowArray array;
  SB_ASSIGN_OR_RETURN(state_->row_count, state_->batches.next(&array));
  if (state_->row_count == 0) return false;
  const arrow::Result<std::shared_ptr<arrow::RecordBatch>> batch = arrow::ImportRecordBatch(&array, state_->schema);
  if (!batch.ok()) return Status::invalid(batch.status().message());
  state_->values = (*batch)->columns();
  return true;
}

bool ResultRows::is_null(size_t column) const { return state_->values[column]->IsNull(state_->row); }

Status ResultRows::append_value(size_t column, CellStyle style, std::string& out) const {
  return cli::append_value(*state_->values[column], state_->row, style, out);
}

Result<bool> ResultRows::has_more() { return state_->batches.has_more(); }

}  // namespace signalbook::cli
