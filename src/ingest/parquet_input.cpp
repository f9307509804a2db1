#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/exact_double.h"
#include "ingest/arrow_batch.h"
#include "ingest/column_input.h"

namespace signalbook {

namespace {

constexpr int64_t kBatchRows = 65'536;
constexpr const char* kNoFile = "not a readable Parquet file";

// A Parquet file. A numeric column goes from its pages to the encoder without an Arrow array in between.
class ParquetInput : public ColumnInput {
 public:
  explicit ParquetInput(std::string path) : path_(std::move(path)) {}

  Status open() {
    return translate([&]() -> Status {
      PARQUET_ASSIGN_OR_THROW(const auto file, arrow::io::ReadableFile::Open(path_));
      parquet::ReaderProperties properties;
      properties.set_page_checksum_verification(true);
      parquet::arrow::FileReaderBuilder builder;
      PARQUET_THROW_NOT_OK(builder.Open(file, properties));
      builder.properties(arrow_properties());
      PARQUET_ASSIGN_OR_THROW(reader_, builder.Build());
      std::shared_ptr<arrow::Schema> schema;
      PARQUET_THROW_NOT_OK(reader_->GetSchema(&schema));
      SB_RETURN_IF_ERROR(set_column_names(schema->field_names()));
      const parquet::SchemaDescriptor& leaves = *reader_->parquet_reader()->metadata()->schema();
      leaf_of_column_.assign(column_names().size(), -1);
      for (int leaf = 0; leaf < leaves.num_columns(); ++leaf) {
        const int column = find_column(leaves.GetColumnRoot(leaf)->name());
        if (column >= 0) leaf_of_column_[static_cast<size_t>(column)] = leaf;
      }
      return Status();
    });
  }

  bool reads_columns_alone() const override { return true; }

  Status scan(const std::vector<int>& columns, const TableVisitor& visit) override {
    return translate([&]() -> Status {
      std::vector<int> groups, leaves;
      for (int i = 0; i < reader_->num_row_groups(); ++i) groups.push_back(i);
      for (const int column : columns) leaves.push_back(leaf_of_column_[static_cast<size_t>(column)]);
      PARQUET_ASSIGN_OR_THROW(const auto batches, reader_->GetRecordBatchReader(groups, leaves));
      for (int64_t first_row = 0;;) {
        std::shared_ptr<arrow::RecordBatch> batch;
        PARQUET_THROW_NOT_OK(batches->ReadNext(&batch));
        if (batch == nullptr) return Status();
        SB_RETURN_IF_ERROR(check_contents(*batch).at(fmt::format("rows from {} on: {}", first_row + 1, kNoFile)));
        SB_ASSIGN_OR_RETURN(const Table table, to_table(*batch));
        SB_RETURN_IF_ERROR(visit(first_row, table));
        first_row += batch->num_rows();
      }
    });
  }

  Status scan_numbers(int column, const NumberVisitor& visit, bool* handled) override {
    *handled = false;
    return translate([&]() -> Status {
      const int leaf = leaf_of_column_[static_cast<size_t>(column)];
      const auto metadata = reader_->parquet_reader()->metadata();
      const parquet::ColumnDescriptor& descriptor = *metadata->schema()->Column(leaf);
      if (descriptor.max_repetition_level() > 0 || descriptor.max_definition_level() > 1) return Status();
      const auto& logical = *descriptor.logical_type();
      const bool is_signed_integer =
          logical.is_int() && static_cast<const parquet::IntLogicalType&>(logical).is_signed();
      if (!logical.is_none() && !is_signed_integer) return Status();
      *handled = true;
      switch (descriptor.physical_type()) {
        case parquet::Type::INT32:
          return scan_typed<parquet::Int32Reader, int32_t>(leaf, ElementType::int32, visit);
        case parquet::Type::INT64:
          return scan_typed<parquet::Int64Reader, int64_t>(leaf, ElementType::int64, visit);
        case parquet::Type::FLOAT:
          return scan_typed<parquet::FloatReader, float>(leaf, ElementType::float32, visit);
        case parquet::Type::DOUBLE:
          return scan_typed<parquet::DoubleReader, double>(leaf, ElementType::float64, visit);
        default:
          *handled = false;
          return Status();
      }
    });
  }

 private:
  static parquet::ArrowReaderProperties arrow_properties() {
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(kBatchRows);
    properties.set_pre_buffer(false);  // it would hold a row group of all columns
    return properties;
  }

  template <typename Function>
  static Status translate(Function&& function) {
    try {
      return function();
    } catch (const parquet::ParquetStatusException& error) {
      return from_arrow_error(error.status(), kNoFile);
    } catch (const std::exception& error) {
      return Status::invalid(error.what()).at(kNoFile);
    }
  }

  // Spreads the values that are there over the rows, NaN where the file has NULL.
  template <typename T>
  static Status spread(const std::vector<int16_t>& present, int64_t rows, const std::vector<T>& values,
                       std::vector<double>& spread_values) {
    spread_values.resize(static_cast<size_t>(rows));
    size_t next = 0;
    for (size_t row = 0; row < spread_values.size(); ++row) {
      if (present[row] == 0) {
        spread_values[row] = std::numeric_limits<double>::quiet_NaN();
        continue;
      }
      const T value = values[next++];
      spread_values[row] = static_cast<double>(value);
      if constexpr (std::is_same_v<T, int64_t>) {
        if (!to_exact_double(value))
          return Status::invalid(fmt::format("{} is more than a double holds exactly", value));
      }
    }
    return Status();
  }

  template <typename Reader, typename T>
  Status scan_typed(int leaf, ElementType type, const NumberVisitor& visit) {
    auto& values = std::get<std::vector<T>>(values_);
    values.resize(kBatchRows);
    present_.resize(kBatchRows);
    int64_t first_row = 0;
    for (int group = 0; group < reader_->num_row_groups(); ++group) {
      const auto column = reader_->parquet_reader()->RowGroup(group)->Column(leaf);
      auto& reader = static_cast<Reader&>(*column);
      while (reader.HasNext()) {
        int64_t value_count = 0;
        const int64_t rows = reader.ReadBatch(kBatchRows, present_.data(), nullptr, values.data(), &value_count);
        NumberSlice slice = {.type = type, .values = values.data(), .count = rows};
        if (value_count < rows) {
          SB_RETURN_IF_ERROR(spread(present_, rows, values, spread_values_).at(fmt::format("after row {}", first_row)));
          slice = {.type = ElementType::float64, .values = spread_values_.data(), .count = rows};
        }
        SB_RETURN_IF_ERROR(visit(first_row, slice));
        first_row += rows;
      }
    }
    return Status();
  }

  std::string path_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::vector<int> leaf_of_column_;
  std::tuple<std::vector<int32_t>, std::vector<int64_t>, std::vector<float>, std::vector<double>> values_;
  std::vector<int16_t> present_;
  std::vector<double> spread_values_;
};

}  // namespace

Result<std::unique_ptr<ColumnInput>> open_parquet_input(const std::string& path) {
  auto input = std::make_unique<ParquetInput>(path);
  SB_RETURN_IF_ERROR(input->open());
  return std::unique_ptr<ColumnInput>(std::move(input));
}

}  // namespace signalbook
