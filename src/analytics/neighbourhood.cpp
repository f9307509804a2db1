#include "analytics/neighbourhood.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace signalbook {
namespace {

using Point = std::vector<std::optional<double>>;

Status check(std::span<const Point> points, size_t score_count) {
  if (points.size() != score_count) {
    return Status::invalid(fmt::format("{} strategies but {} scores", points.size(), score_count));
  }
  for (size_t s = 0; s < points.size(); ++s) {
    if (points[s].size() != points[0].size()) {
      return Status::invalid(
          fmt::format("strategy {} has {} parameters and strategy 0 has {}: give all the same ones, "
                      "empty where there is none",
                      s, points[s].size(), points[0].size()));
    }
    for (size_t p = 0; p < points[s].size(); ++p) {
      if (points[s][p] && !std::isfinite(*points[s][p])) {
        return Status::invalid(fmt::format("strategy {}: parameter {} is not a finite number", s, p));
      }
    }
  }
  return Status();
}

// Links those that lie next to each other along one parameter, all others being equal.
Status link_along(size_t parameter, std::span<const Point> points, std::vector<Neighbourhood>& result) {
  const auto others = [&](size_t s) {
    Point point = points[s];
    point[parameter].reset();
    return point;
  };
  std::vector<Point> lines;
  for (size_t s = 0; s < points.size(); ++s) lines.push_back(others(s));
  std::vector<size_t> order(points.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, [&](size_t a, size_t b) {
    if (lines[a] != lines[b]) return lines[a] < lines[b];
    if (points[a][parameter] != points[b][parameter]) return points[a][parameter] < points[b][parameter];
    return a < b;
  });
  for (size_t i = 1; i < order.size(); ++i) {
    const size_t a = order[i - 1], b = order[i];
    if (lines[a] != lines[b]) continue;
    if (points[a][parameter] == points[b][parameter]) {
      return Status::invalid(
          fmt::format("strategies {} and {} have the same parameters: leave one out", std::min(a, b), std::max(a, b)));
    }
    if (!points[a][parameter]) continue;
    result[a].neighbours.push_back(b);
    result[b].neighbours.push_back(a);
  }
  return Status();
}

void judge(Neighbourhood& around, std::optional<double> own, std::span<const std::optional<double>> scores,
           double tolerance) {
  std::ranges::sort(around.neighbours);
  double total = 0, best = -std::numeric_limits<double>::infinity(), worst = -best;
  for (size_t neighbour : around.neighbours) {
    if (!scores[neighbour]) {
      ++around.without_score;
      continue;
    }
    total += *scores[neighbour];
    best = std::max(best, *scores[neighbour]);
    worst = std::min(worst, *scores[neighbour]);
  }
  const size_t with_score = around.neighbours.size() - around.without_score;
  if (with_score > 0) {
    around.mean = total / static_cast<double>(with_score);
    around.worst = worst;
  }
  if (!own || !(*own > 0) || around.neighbours.empty()) return;

  // Whoever has no score does not trade there: nothing is left of the edge.
  if (around.without_score > 0) worst = std::min(worst, 0.0);
  around.kept = total / static_cast<double>(around.neighbours.size()) / *own;
  const double enough = 1 - tolerance;
  if (worst / *own >= enough) {
    around.shape = GridShape::plateau;
  } else if (best < *own && *around.kept < enough) {
    around.shape = GridShape::peak;
  } else {
    around.shape = GridShape::slope;
  }
}

}  // namespace

Result<std::vector<Neighbourhood>> parameter_neighbourhoods(
    std::span<const std::vector<std::optional<double>>> parameters, std::span<const std::optional<double>> scores,
    double tolerance) {
  SB_RETURN_IF_ERROR(check(parameters, scores.size()));
  std::vector<Neighbourhood> result(parameters.size());
  const size_t parameter_count = parameters.empty() ? 0 : parameters[0].size();
  for (size_t p = 0; p < parameter_count; ++p) SB_RETURN_IF_ERROR(link_along(p, parameters, result));
  for (size_t s = 0; s < result.size(); ++s) judge(result[s], scores[s], scores, tolerance);
  return result;
}

}  // namespace signalbook
