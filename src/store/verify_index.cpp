#include "store/verify_index.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <utility>

#include "format/strategy_identity.h"
#include "format/strategy_tree.h"
#include "store/strategy_components.h"
#include "store/strategy_row.h"
#include "store/table_file.h"
#include "store/verify_table.h"

namespace signalbook {

namespace {

constexpr const char* kSource = "the configuration gives";

std::optional<std::string> check_paths(const std::vector<IndexRow>& rows) {
  std::set<std::string_view> known;
  return first_fault(rows.size(), [&](size_t i) -> std::optional<std::string> {
    const std::string& path = rows[i].trace_path;
    if (!known.insert(path).second) return fmt::format("trace_path is {}, as on a row before", path);
    const bool is_classifier = rows[i].kind == SignalKind::label;
    if (path.find(is_classifier ? "/classifiers/" : "/signals/") != std::string::npos) return std::nullopt;
    return fmt::format("trace_path is {}, which is no place of a {}", path, is_classifier ? "classifier" : "signal");
  });
}

}  // namespace

std::vector<std::string> check_index(std::string_view bytes, const std::vector<IndexRow>& rows) {
  const Result<Table> table = decode_table_file(bytes, "the file");
  if (!table.ok()) return {table.status().message()};
  std::vector<std::string> found;
  std::vector<IndexRow> derived = rows;
  const auto unreadable = first_fault(rows.size(), [&](size_t i) -> std::optional<std::string> {
    const Status status = derive_strategy(derived[i]).status();
    if (status.ok()) return std::nullopt;
    return fmt::format("strategy_config: {}", status.message());
  });
  if (unreadable) found.push_back(*unreadable);
  // Parameters of a configuration that cannot be read are not known, and with them the columns of all.
  // Runs that an earlier version recorded have no columns of packs.
  static const std::set<std::string> kOfPacks = {"pack", "row_start", "row_count"};
  const auto passes_over = [&](const std::string& name) {
    return is_metric_column(name) || (unreadable && name.starts_with("param_")) ||
           (kOfPacks.contains(name) && table->find(name) == nullptr);
  };
  for (std::string& line : compare_tables(index_table(derived), *table, kSource, passes_over)) {
    found.push_back(std::move(line));
  }
  if (const auto fault = check_paths(rows)) found.push_back(*fault);
  sort_index(derived);
  const auto misplaced = first_fault(rows.size(), [&](size_t i) -> std::optional<std::string> {
    if (derived[i].trace_path == rows[i].trace_path) return std::nullopt;
    return fmt::format("strategy {} stands where {} belongs", rows[i].strategy_id, derived[i].strategy_id);
  });
  if (misplaced) found.push_back(*misplaced);
  return found;
}

std::vector<std::string> check_components(std::string_view bytes, const std::vector<IndexRow>& rows) {
  const Result<Table> table = decode_table_file(bytes, "the file");
  if (!table.ok()) return {table.status().message()};
  std::vector<ComponentRow> components;
  std::set<Digest> known;
  for (const IndexRow& row : rows) {
    IndexRow derived = {.strategy_config = row.strategy_config};
    const Result<JsonValue> node = derive_strategy(derived);
    if (!node.ok()) return {};  // told of the index
    const Digest& digest = derived.strategy_digest;
    if (!known.insert(digest).second) continue;
    for (StrategyComponent& component : list_components(*node)) components.push_back({digest, std::move(component)});
  }
  return compare_tables(components_table(components), *table, "the configurations give",
                        [](const std::string&) { return false; });
}

}  // namespace signalbook
