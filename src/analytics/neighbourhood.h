#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"

namespace signalbook {

// What a strategy stands on among its neighbours in the grid of parameters. An edge that vanishes with the next period
// is most likely noise.
enum class GridShape : uint8_t {
  plateau,  // every neighbour keeps at least 1 - tolerance of its score
  peak,     // every neighbour is below it, and in the mean they keep less than 1 - tolerance
  slope,    // anything between: some fall off, or some are better
};

struct Neighbourhood {
  std::vector<size_t> neighbours;  // in increasing order
  size_t without_score = 0;        // of these
  std::optional<double> mean;      // of the neighbours' scores; nullopt where none has one
  std::optional<double> worst;
  // The mean share of the own score that neighbours have, 0 for one without a score; where the own score is positive
  // and there is a neighbour. Shapes are told by the same shares.
  std::optional<double> kept;
  std::optional<GridShape> shape;
};

// `parameters[s][p]` is the p-th parameter of strategy s, nullopt where it has none; `scores[s]` is higher where
// better, nullopt where undefined. Two strategies are neighbours if they are equal in all parameters but one, and no
// other such strategy has a value of that one between theirs; a strategy without a parameter is no neighbour of one
// that has it. So there are at most two neighbours a parameter, and fewer at the edge of the grid. What is no number (a
// mode, a moving average's kind) has no next one: ask for each of its values by itself. Invalid for two strategies with
// the same parameters, lists of different lengths, or a parameter that is not finite.
Result<std::vector<Neighbourhood>> parameter_neighbourhoods(
    std::span<const std::vector<std::optional<double>>> parameters, std::span<const std::optional<double>> scores,
    double tolerance = 0.25);

}  // namespace signalbook
