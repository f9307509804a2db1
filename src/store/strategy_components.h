#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/status.h"
#include "format/strategy_tree.h"
#include "store/table.h"

namespace signalbook {

// One strategy inside another, as a run's strategy_components.parquet tells it.
struct ComponentRow {
  Digest strategy_digest{};  // of the outermost strategy
  StrategyComponent component;
};

// strategy_components.parquet: one row a component, in the order given. Without rows it has all columns but param_*.
Result<std::string> encode_components(const std::vector<ComponentRow>& rows);

// The same rows as they stand in the file, all of its columns.
Table components_table(const std::vector<ComponentRow>& rows);

// What encode_components wrote, but for the parameters, which the configuration holds. Damaged when a column is missing
// or of another type.
Result<std::vector<ComponentRow>> decode_components(std::string_view bytes, const std::string& file_name);

// The component_digest of every row alone.
Result<std::vector<Digest>> decode_component_digests(std::string_view bytes, const std::string& file_name);

}  // namespace signalbook
