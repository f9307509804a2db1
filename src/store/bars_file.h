#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "format/bars.h"

namespace signalbook {

// The bars of a feed as Parquet: data_id, symbol and timeframe on every row (they cost nothing, and a glob over the
// folder is a table that joins), idx, ts, open, high, low, close, volume (NULL where there is none).
Result<std::string> encode_bars_file(const Bars& bars, const std::string& data_id_hex);

// needed: not idx, which counts the rows, and those that say the same on every row: they take ten times as long as all
// the rest and, where the file's metadata say it too, tell nothing. Damage in them is not found then.
enum class BarsColumns : uint8_t { all, needed };

// Damaged when it is no such file, naming the row where a column is not as above, and when the bars do not have the
// data_id that the file says.
Result<Bars> decode_bars_file(std::string_view bytes, const std::string& file_name,
                              BarsColumns columns = BarsColumns::all);

// What decode_bars_file does without: that the file's metadata say data_id, symbol and timeframe of these bars. Damaged
// otherwise.
Status check_bars_file_metadata(std::string_view bytes, const std::string& file_name, const Bars& bars);

// Strictly increasing times, columns of one length, finite prices. Invalid, naming the row (from 1), otherwise.
Status check_bars(const Bars& bars);

}  // namespace signalbook
