#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "cli/study_scope.h"
#include "store/table.h"

namespace signalbook::cli {

// run_id, strategy_id and strategy_hash, each with `suffix` behind its name: which strategy a row is about.
inline constexpr size_t kStrategyColumns = 3;
void add_strategy_columns(Table& table, const std::string& suffix = "");

// Appends a strategy to these columns, of which the first is column `first`; NULL for none.
void append_strategy(Table& table, size_t first, const StudyScope& study, std::optional<size_t> trace);

}  // namespace signalbook::cli
