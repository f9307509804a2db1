#include "store/strategy_components.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/utf8.h"
#include "format/strategy_identity.h"
#include "store/parameter_columns.h"
#include "store/table_file.h"

namespace signalbook {

namespace {

std::string to_hash(const Digest& digest) { return to_hex(digest).substr(0, kStrategyHashLength); }

std::string to_bytes(const Digest& digest) {
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

Digest to_digest(const std::string& bytes) {
  Digest digest{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), digest.size()), digest.begin());
  return digest;
}

// What decode_components reads, in one place with its type.
constexpr struct {
  const char* name;
  ColumnType type;
} kColumns[] = {{"strategy_digest", ColumnType::bytes},
                {"path", ColumnType::text},
                {"parent_path", ColumnType::text},
                {"depth", ColumnType::int64},
                {"role", ColumnType::text},
                {"component_digest", ColumnType::bytes},
                {"parent_digest", ColumnType::bytes},
                {"component_type", ColumnType::text},
                {"is_leaf", ColumnType::boolean},
                {"weight", ColumnType::real},
                {"weight_sum", ColumnType::real},
                {"effective_weight", ColumnType::real},
                {"threshold", ColumnType::text},
                {"component_config", ColumnType::text}};

Status expect_column(const Table& table, const char* name, ColumnType type, const std::string& file_name) {
  const TableColumn* column = table.find(name);
  if (column != nullptr && column->type == type) return Status();
  return Status::damaged(fmt::format("{}: column '{}' is {}; this is no list of components that Signalbook wrote",
                                     file_name, name, column == nullptr ? "missing" : "of another type"));
}

}  // namespace

Table components_table(const std::vector<ComponentRow>& rows) {
  Table table;
  const auto texts = [&](const char* name, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::text);
    for (const ComponentRow& row : rows) {
      const std::optional<std::string> cell = value(row);
      cell ? column.append_text(to_valid_utf8(*cell)) : column.append_null();
    }
  };
  const auto digests = [&](const char* name, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::bytes, static_cast<int>(sizeof(Digest)));
    for (const ComponentRow& row : rows) column.append_text(to_bytes(value(row)));
  };
  const auto reals = [&](const char* name, std::optional<double> StrategyComponent::*value) {
    TableColumn& column = table.add(name, ColumnType::real);
    for (const ComponentRow& row : rows) {
      const std::optional<double> cell = row.component.*value;
      column.append_real(cell);
    }
  };

  texts("strategy_hash", [](const ComponentRow& row) { return to_hash(row.strategy_digest); });
  digests("strategy_digest", [](const ComponentRow& row) { return row.strategy_digest; });
  texts("path", [](const ComponentRow& row) { return row.component.path; });
  texts("parent_path", [](const ComponentRow& row) { return row.component.parent_path; });
  TableColumn& depth = table.add("depth", ColumnType::int32);
  for (const ComponentRow& row : rows) depth.append_integer(row.component.depth);
  texts("role", [](const ComponentRow& row) {
    return row.component.role.empty() ? std::nullopt : std::optional(row.component.role);
  });
  texts("component_hash", [](const ComponentRow& row) { return row.component.hash(); });
  digests("component_digest", [](const ComponentRow& row) { return row.component.digest; });
  texts("parent_hash", [](const ComponentRow& row) { return to_hash(row.component.parent_digest); });
  digests("parent_digest", [](const ComponentRow& row) { return row.component.parent_digest; });
  texts("component_type", [](const ComponentRow& row) { return row.component.type; });
  TableColumn& is_leaf = table.add("is_leaf", ColumnType::boolean);
  for (const ComponentRow& row : rows) is_leaf.append_integer(row.component.is_leaf ? 1 : 0);
  reals("weight", &StrategyComponent::weight);
  reals("weight_sum", &StrategyComponent::weight_sum);
  reals("effective_weight", &StrategyComponent::effective_weight);
  texts("threshold", [](const ComponentRow& row) { return row.component.threshold; });
  std::vector<const JsonValue::Object*> parameters;
  for (const ComponentRow& row : rows) parameters.push_back(&row.component.parameters);
  std::vector<TableColumn> parameter_columns = make_parameter_columns(parameters);
  std::move(parameter_columns.begin(), parameter_columns.end(), std::back_inserter(table.columns));
  texts("component_config", [](const ComponentRow& row) { return row.component.config; });
  return table;
}

Result<std::string> encode_components(const std::vector<ComponentRow>& rows) {
  return encode_table_file(components_table(rows));
}

Result<std::vector<ComponentRow>> decode_components(std::string_view bytes, const std::string& file_name) {
  std::vector<std::string> names;
  for (const auto& column : kColumns) names.emplace_back(column.name);
  SB_ASSIGN_OR_RETURN(const Table table, decode_table_file(bytes, file_name, names));
  for (const auto& [name, type] : kColumns) SB_RETURN_IF_ERROR(expect_column(table, name, type, file_name));
  const auto text = [&](const char* name, size_t row) { return table.find(name)->texts[row]; };
  const auto optional_text = [&](const char* name, size_t row) {
    const TableColumn& column = *table.find(name);
    return column.is_null(row) ? std::nullopt : std::optional(column.texts[row]);
  };
  const auto real = [&](const char* name, size_t row) {
    const TableColumn& column = *table.find(name);
    return column.is_null(row) ? std::nullopt : std::optional(column.reals[row]);
  };
  std::vector<ComponentRow> rows(table.row_count());
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].strategy_digest = to_digest(text("strategy_digest", i));
    StrategyComponent& component = rows[i].component;
    component.path = text("path", i);
    component.parent_path = text("parent_path", i);
    component.depth = static_cast<int>(table.find("depth")->integers[i]);
    component.role = optional_text("role", i).value_or("");
    component.digest = to_digest(text("component_digest", i));
    component.parent_digest = to_digest(text("parent_digest", i));
    component.type = text("component_type", i);
    component.is_leaf = table.find("is_leaf")->integers[i] != 0;
    component.weight = real("weight", i);
    component.weight_sum = real("weight_sum", i);
    component.effective_weight = real("effective_weight", i);
    component.threshold = optional_text("threshold", i);
    component.config = text("component_config", i);
  }
  return rows;
}

Result<std::vector<Digest>> decode_component_digests(std::string_view bytes, const std::string& file_name) {
  constexpr const char* kName = "component_digest";
  SB_ASSIGN_OR_RETURN(const Table table, decode_table_file(bytes, file_name, {kName}));
  SB_RETURN_IF_ERROR(expect_column(table, kName, ColumnType::bytes, file_name));
  std::vector<Digest> digests;
  for (const std::string& digest : table.find(kName)->texts) digests.push_back(to_digest(digest));
  return digests;
}

}  // namespace signalbook
