#include "analytics/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "analytics/neighbourhood.h"

namespace signalbook {
namespace {

using Scores = std::vector<std::optional<double>>;
using Points = std::vector<std::vector<std::optional<double>>>;

TEST(SelectUncorrelated, TakesTheBestThatDiffer) {
  SymmetricMatrix correlation(5);
  for (size_t i = 0; i < 4; ++i) correlation.set(i, i, 1);  // the last does not trade
  correlation.set(0, 1, 0.9);
  correlation.set(0, 2, -0.8);
  correlation.set(0, 3, 0.5);
  correlation.set(1, 2, 0.1);
  correlation.set(1, 3, 0.2);
  correlation.set(2, 3, 0.1);
  using Places = std::vector<size_t>;
  EXPECT_EQ(select_uncorrelated(Scores{4, 3, 2, 1, 9}, correlation, 0.5),
            (Places{4}));  // nothing is known about others
  EXPECT_EQ(select_uncorrelated(Scores{4, 3, 2, 1, std::nullopt}, correlation, 0.5), (Places{0, 3}));
  EXPECT_EQ(select_uncorrelated(Scores{1, 3, 2, 1, std::nullopt}, correlation, 0.5), (Places{1, 2, 3}));
  EXPECT_EQ(select_uncorrelated(Scores{1, 3, 2, 1, std::nullopt}, correlation, 0.5, 2), (Places{1, 2}));
  EXPECT_EQ(select_uncorrelated(Scores{1, 1, 1, 1, std::nullopt}, correlation, 0.49), (Places{0}));
  EXPECT_EQ(select_uncorrelated(Scores{1, 1, 1, 1, std::nullopt}, correlation, 1), (Places{0, 1, 2, 3}));
  EXPECT_EQ(select_uncorrelated(Scores(5), correlation, 1), (Places{}));
}

TEST(SelectUncorrelated, NoTwoAreTooAlikeAndWhoIsLeftOutIsTooLikeABetterOne) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (int round = 0; round < 100; ++round) {
    SymmetricMatrix correlation(30);
    Scores scores;
    for (size_t a = 0; a < 30; ++a) {
      for (size_t b = 0; b <= a; ++b) correlation.set(a, b, a == b ? 1 : uniform(random));
      scores.push_back(std::round(uniform(random) * 10));
    }
    const std::vector<size_t> taken = select_uncorrelated(scores, correlation, 0.6);
    for (size_t s = 0; s < 30; ++s) {
      const bool is_taken = std::ranges::count(taken, s) > 0;
      const bool like_a_better = std::ranges::any_of(taken, [&](size_t member) {
        const bool better = *scores[member] > *scores[s] || (*scores[member] == *scores[s] && member < s);
        return better && std::abs(*correlation.at(s, member)) > 0.6;
      });
      EXPECT_NE(is_taken, like_a_better);
    }
  }
}

// Two are neighbours if they differ in one parameter and none is between them.
bool slow_neighbours(const Points& points, size_t a, size_t b) {
  const auto differing = [&](size_t x, size_t y) {
    std::vector<size_t> different;
    for (size_t p = 0; p < points[x].size(); ++p) {
      if (points[x][p] != points[y][p]) different.push_back(p);
    }
    return different;
  };
  const std::vector<size_t> different = differing(a, b);
  if (different.size() != 1) return false;
  const size_t p = different[0];
  if (!points[a][p] || !points[b][p]) return false;
  const auto [low, high] = std::minmax(*points[a][p], *points[b][p]);
  for (size_t c = 0; c < points.size(); ++c) {
    if (differing(a, c) == different && points[c][p] && low < *points[c][p] && *points[c][p] < high) return false;
  }
  return true;
}

TEST(ParameterNeighbourhoods, SameAsLookingAtAllPairs) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 30; ++round) {
    Points points;
    for (double period : {10.0, 12.0, 20.0, 50.0}) {
      for (double width : {-0.5, 1.5, 2.0}) {
        for (std::optional<double> stop : {std::optional<double>(), std::optional(0.01), std::optional(0.02)}) {
          if (random() % 4 != 0) points.push_back({period, width, stop});  // a grid with holes
        }
      }
    }
    std::shuffle(points.begin(), points.end(), random);
    const auto got = parameter_neighbourhoods(points, Scores(points.size()));
    ASSERT_TRUE(got.ok());
    for (size_t a = 0; a < points.size(); ++a) {
      std::vector<size_t> expected;
      for (size_t b = 0; b < points.size(); ++b) {
        if (slow_neighbours(points, a, b)) expected.push_back(b);
      }
      EXPECT_EQ((*got)[a].neighbours, expected);
    }
  }
}

Neighbourhood middle_of(const Scores& scores, double tolerance = 0.25) {
  Points points;
  for (size_t i = 0; i < scores.size(); ++i) points.push_back({static_cast<double>(i)});
  return parameter_neighbourhoods(points, scores, tolerance).value()[1];
}

TEST(ParameterNeighbourhoods, PeakOrPlateau) {
  EXPECT_EQ(middle_of({1.9, 2, 1.6}).shape, GridShape::plateau);
  EXPECT_EQ(middle_of({3, 2, 2.5}).shape, GridShape::plateau);
  EXPECT_EQ(middle_of({0.1, 2, -0.3}).shape, GridShape::peak);
  EXPECT_EQ(middle_of({0.1, 2, 2}).shape, GridShape::slope);     // one is as good
  EXPECT_EQ(middle_of({1.2, 2, 1.99}).shape, GridShape::slope);  // in the mean they keep 80%
  EXPECT_EQ(middle_of({1.2, 2, 1.99}, 0.4).shape, GridShape::plateau);
  EXPECT_EQ(middle_of({1.2, 2, 1.9}, 0.1).shape, GridShape::peak);

  const Neighbourhood around = middle_of({1.0, 2, 1.5});
  EXPECT_EQ(around.neighbours, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(around.mean, 1.25);
  EXPECT_EQ(around.worst, 1.0);
  EXPECT_EQ(around.kept, 0.625);
}

TEST(ParameterNeighbourhoods, UndefinedWhereNothingIsToBeKept) {
  for (std::optional<double> own : Scores{std::nullopt, 0.0, -1.0}) {
    const Neighbourhood around = middle_of({1, own, 2});
    EXPECT_EQ(around.mean, 1.5);
    EXPECT_EQ(around.kept, std::nullopt);
    EXPECT_EQ(around.shape, std::nullopt);
  }
  // Who does not trade keeps nothing.
  const Neighbourhood half = middle_of({std::nullopt, 2, 2});
  EXPECT_EQ(half.without_score, 1u);
  EXPECT_EQ(half.mean, 2);
  EXPECT_EQ(half.kept, 0.5);
  EXPECT_EQ(half.shape, GridShape::slope);
  EXPECT_EQ(middle_of({std::nullopt, 2, 1.9}).shape, GridShape::peak);
  const Neighbourhood lone_peak = middle_of({std::nullopt, 2});
  EXPECT_EQ(lone_peak.mean, std::nullopt);
  EXPECT_EQ(lone_peak.worst, std::nullopt);
  EXPECT_EQ(lone_peak.kept, 0);
  EXPECT_EQ(lone_peak.shape, GridShape::peak);
  const auto alone = parameter_neighbourhoods(Points{{1, 2}, {2, 3}}, Scores{1, 1});
  EXPECT_TRUE((*alone)[0].neighbours.empty());
  EXPECT_EQ((*alone)[0].shape, std::nullopt);
}

TEST(ParameterNeighbourhoods, RefusesWhatIsNoGrid) {
  const auto message = [](const Points& points, size_t scores) {
    return parameter_neighbourhoods(points, Scores(scores)).status().message();
  };
  EXPECT_NE(message({{1, 2}, {3, 4}, {1, 2}}, 3).find("strategies 0 and 2 have the same"), std::string::npos);
  EXPECT_NE(message({{1, std::nullopt}, {1, std::nullopt}}, 2).find("strategies 0 and 1"), std::string::npos);
  EXPECT_NE(message({{1, 2}, {3}}, 2).find("strategy 1 has 1 parameters"), std::string::npos);
  EXPECT_NE(message({{1}, {NAN}}, 2).find("strategy 1: parameter 0"), std::string::npos);
  EXPECT_NE(message({{1}}, 2).find("1 strategies but 2 scores"), std::string::npos);
  EXPECT_EQ(message({}, 0), "");
}

}  // namespace
}  // namespace signalbook
