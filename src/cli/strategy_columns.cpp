#include "cli/strategy_columns.h"

namespace signalbook::cli {

void add_strategy_columns(Table& table, const std::string& suffix) {
  for (const char* const name : {"run_id", "strategy_id", "strategy_hash"}) table.add(name + suffix, ColumnType::text);
}

void append_strategy(Table& table, size_t first, const StudyScope& study, std::optional<size_t> trace) {
  if (!trace) {
    for (size_t i = 0; i < kStrategyColumns; ++i) table.columns[first + i].append_null();
    return;
  }
  const FeedTrace& found = study.feed.traces[*trace];
  table.columns[first].append_text(study.run_ids.at(found.run));
  table.columns[first + 1].append_text(found.row->strategy_id);
  table.columns[first + 2].append_text(found.row->strategy_hash());
}

}  // namespace signalbook::cli
