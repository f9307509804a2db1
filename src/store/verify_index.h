#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/strategy_index.h"

namespace signalbook {

// What a run's configurations give, compared with what its files say of them, whatever the digests say. A line a
// finding, with the row where it is about one.

// The index: its columns of identity and parameters, its trace_ids and the order of its rows. `rows` are those that
// these bytes hold.
std::vector<std::string> check_index(std::string_view bytes, const std::vector<IndexRow>& rows);

// strategy_components.parquet: what is inside the strategies of these rows.
std::vector<std::string> check_components(std::string_view bytes, const std::vector<IndexRow>& rows);

}  // namespace signalbook
