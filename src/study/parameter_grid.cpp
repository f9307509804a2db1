#include "study/parameter_grid.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "format/json_value.h"
#include "format/strategy_identity.h"
#include "format/strategy_parameters.h"
#include "format/strategy_tree.h"

namespace signalbook {

namespace {

using Values = std::vector<std::optional<double>>;

// Where a strategy stands: which grid, and where in it.
struct GridPoint {
  std::string grid;
  Values values;  // of its numeric parameters, by name
};

std::optional<double> number_of(const JsonValue& value) {
  if (const int64_t* const integer = value.integer()) return static_cast<double>(*integer);
  if (const double* const real = value.real(); real != nullptr && std::isfinite(*real)) return *real;
  return std::nullopt;
}

std::optional<GridPoint> grid_point(const IndexRow& row) {
  const Result<JsonValue> config = parse_json(row.strategy_config);
  if (!config.ok()) return std::nullopt;
  const Result<JsonValue> node = normalize_strategy(*config);
  if (!node.ok() || node->object() == nullptr || !list_components(*node).empty()) return std::nullopt;

  std::map<std::string, double> numbers;
  for (const auto& [name, value] : queryable_parameters(*node)) {
    if (const auto number = number_of(value)) numbers.emplace(name, *number);
  }
  // The same configuration without them is the grid.
  JsonValue rest = *node;
  for (auto& [key, member] : *rest.object()) {
    if ((key != "parameters" && key != "params") || member.object() == nullptr) continue;
    std::erase_if(*member.object(), [&](const JsonValue::Member& parameter) {
      return numbers.contains(parameter.first) && number_of(parameter.second);
    });
  }
  GridPoint point = {.grid = to_json(rest, JsonStyle::canonical), .values = {}};
  for (const auto& [name, number] : numbers) {
    point.grid += "\n" + name;
    point.values.emplace_back(number);
  }
  return point;
}

class Grids {
 public:
  Grids(std::span<const FeedTrace> traces, std::span<const std::optional<double>> scores)
      : traces_(traces), scores_(scores), points_(traces.size()), found_(traces.size()) {}

  Result<std::vector<std::optional<Neighbourhood>>> find() {
    std::map<std::string, std::vector<size_t>> grids;
    for (size_t i = 0; i < traces_.size(); ++i) {
      points_[i] = grid_point(*traces_[i].row);
      if (points_[i]) grids[points_[i]->grid].push_back(i);
    }
    for (const auto& [grid, members] : grids) {
      if (leave_out_repeated(members).size() == members.size()) {
        SB_RETURN_IF_ERROR(judge(members));
        continue;
      }
      std::map<const RunReader*, std::vector<size_t>> by_run;
      for (const size_t member : members) by_run[traces_[member].run].push_back(member);
      for (const auto& [run, of_run] : by_run) SB_RETURN_IF_ERROR(judge(leave_out_repeated(of_run)));
    }
    return std::move(found_);
  }

 private:
  std::vector<size_t> leave_out_repeated(const std::vector<size_t>& members) const {
    std::map<Values, size_t> first;
    for (const size_t member : members) first.emplace(points_[member]->values, member);
    std::vector<size_t> left;
    for (const size_t member : members) {
      if (first.at(points_[member]->values) == member) left.push_back(member);
    }
    return left;
  }

  Status judge(const std::vector<size_t>& members) {
    std::vector<Values> parameters;
    std::vector<std::optional<double>> scores;
    for (const size_t member : members) {
      parameters.push_back(points_[member]->values);
      scores.push_back(scores_[member]);
    }
    SB_ASSIGN_OR_RETURN(std::vector<Neighbourhood> around, parameter_neighbourhoods(parameters, scores));
    for (size_t k = 0; k < members.size(); ++k) {
      for (size_t& neighbour : around[k].neighbours) neighbour = members[neighbour];
      found_[members[k]] = std::move(around[k]);
    }
    return Status();
  }

  std::span<const FeedTrace> traces_;
  std::span<const std::optional<double>> scores_;
  std::vector<std::optional<GridPoint>> points_;
  std::vector<std::optional<Neighbourhood>> found_;
};

}  // namespace

Result<std::vector<std::optional<Neighbourhood>>> grid_neighbourhoods(std::span<const FeedTrace> traces,
                                                                      std::span<const std::optional<double>> scores) {
  return Grids(traces, scores).find();
}

}  // namespace signalbook
