#include "format/signal_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "format/signal_matrix.h"
#include "support/slow_encoder.h"

namespace signalbook {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <typename T>
constexpr ElementType element_type() {
  if constexpr (std::is_same_v<T, int8_t>) return ElementType::int8;
  if constexpr (std::is_same_v<T, int16_t>) return ElementType::int16;
  if constexpr (std::is_same_v<T, int32_t>) return ElementType::int32;
  if constexpr (std::is_same_v<T, int64_t>) return ElementType::int64;
  if constexpr (std::is_same_v<T, uint8_t>) return ElementType::uint8;
  if constexpr (std::is_same_v<T, uint16_t>) return ElementType::uint16;
  if constexpr (std::is_same_v<T, uint32_t>) return ElementType::uint32;
  if constexpr (std::is_same_v<T, uint64_t>) return ElementType::uint64;
  if constexpr (std::is_same_v<T, float>) return ElementType::float32;
  return ElementType::float64;
}

bool same(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
  }
  return true;
}

SignalEncoder encode_events(const std::vector<double>& bars, MissingSignal missing = MissingSignal::refuse) {
  SignalEncoder encoder(SignalKind::number, missing);
  for (size_t bar = 0; bar < bars.size(); ++bar) {
    EXPECT_TRUE(encoder.observe(static_cast<BarIndex>(bar), bars[bar]).ok());
  }
  return encoder;
}

template <typename T>
SignalEncoder encode_series(const std::vector<double>& bars, size_t stride = 1) {
  std::vector<T> values(bars.size() * stride + 1, T{7});
  for (size_t i = 0; i < bars.size(); ++i) values[i * stride] = static_cast<T>(bars[i]);
  SignalEncoder encoder;
  EXPECT_TRUE(encoder
                  .observe_series<T>(0, values.data(), static_cast<int64_t>(bars.size()),
                                     static_cast<int64_t>(stride * sizeof(T)))
                  .ok());
  return encoder;
}

// A matrix of these series, in a memory order, as a slice of something larger.
template <typename T>
std::vector<SignalEncoder> encode_matrix(const std::vector<std::vector<double>>& series, bool rows_are_bars,
                                         MissingSignal missing = MissingSignal::refuse) {
  const size_t strategies = series.size(), bars = series.front().size();
  const size_t inner = (rows_are_bars ? strategies : bars) + 3;  // the slice leaves three elements of each row out
  std::vector<T> data((rows_are_bars ? bars : strategies) * inner + 1, T{1});
  for (size_t s = 0; s < strategies; ++s) {
    for (size_t b = 0; b < bars; ++b) {
      data[rows_are_bars ? b * inner + s : s * inner + b] = static_cast<T>(series[s][b]);
    }
  }
  const auto step = static_cast<int64_t>(sizeof(T)), jump = static_cast<int64_t>(inner * sizeof(T));
  std::vector<SignalEncoder> encoders(strategies, SignalEncoder(SignalKind::number, missing));
  int64_t failed = -1;
  const Status status = observe_matrix({.data = data.data(),
                                        .type = element_type<T>(),
                                        .bar_count = static_cast<int64_t>(bars),
                                        .strategy_count = static_cast<int64_t>(strategies),
                                        .bar_stride = rows_are_bars ? jump : step,
                                        .strategy_stride = rows_are_bars ? step : jump},
                                       0, encoders, &failed);
  EXPECT_TRUE(status.ok()) << status.message();
  return encoders;
}

// All sequences over {-1, 0, 1} and of one length.
std::vector<std::vector<double>> all_sequences(size_t length) {
  std::vector<std::vector<double>> all = {{}};
  for (size_t i = 0; i < length; ++i) {
    std::vector<std::vector<double>> longer;
    for (const auto& sequence : all) {
      for (const double value : {-1.0, 0.0, 1.0}) {
        longer.push_back(sequence);
        longer.back().push_back(value);
      }
    }
    all = std::move(longer);
  }
  return all;
}

TEST(SignalEncoder, DecodesWhatItEncodedForEverySequence) {
  for (size_t length = 0; length <= 8; ++length) {
    for (const auto& bars : all_sequences(length)) {
      const SignalEncoder encoder = encode_events(bars);
      ASSERT_EQ(encoder.changes(), slow_encode(bars));
      ASSERT_EQ(encoder.bar_count(), static_cast<int64_t>(length));
      const auto decoded = decode(encoder.changes(), encoder.bar_count());
      ASSERT_TRUE(decoded.ok());
      ASSERT_EQ(*decoded, bars);
      ASSERT_EQ(encode_series<int8_t>(bars).changes(), encoder.changes());
      ASSERT_EQ(encode_series<int8_t>(bars, 3).changes(), encoder.changes());
      ASSERT_EQ(encode_series<double>(bars).changes(), encoder.changes());
    }
  }
}

TEST(SignalEncoder, EveryWayOfRecordingGivesTheSameChanges) {
  const auto sequences = all_sequences(6);
  const auto rows = encode_matrix<int8_t>(sequences, true);
  const auto columns = encode_matrix<int8_t>(sequences, false);
  for (size_t s = 0; s < sequences.size(); ++s) {
    ASSERT_EQ(rows[s].changes(), slow_encode(sequences[s])) << s;
    ASSERT_EQ(columns[s].changes(), slow_encode(sequences[s])) << s;
    ASSERT_EQ(rows[s].bar_count(), 6);
  }
}

template <typename T>
void expect_random_matrices_encode(double change_share, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  for (const auto& [strategies, bars] :
       {std::pair<size_t, size_t>{1, 1}, {2, 1}, {1, 700}, {63, 3}, {64, 513}, {131, 1100}}) {
    std::vector<std::vector<double>> series(strategies, std::vector<double>(bars));
    for (auto& one : series) {
      double value = 0.0;
      for (double& bar : one) {
        if (uniform(random) < change_share)
          value = static_cast<double>(random() % 3) + (std::is_unsigned_v<T> ? 0 : -1);
        bar = value;
      }
    }
    const auto rows = encode_matrix<T>(series, true);
    const auto columns = encode_matrix<T>(series, false);
    for (size_t s = 0; s < strategies; ++s) {
      ASSERT_EQ(rows[s].changes(), slow_encode(series[s])) << strategies << " x " << bars << ", strategy " << s;
      ASSERT_EQ(columns[s].changes(), slow_encode(series[s])) << strategies << " x " << bars << ", strategy " << s;
      ASSERT_EQ(encode_series<T>(series[s], 2).changes(), slow_encode(series[s]));
    }
  }
}

template <typename T>
class EveryElementType : public testing::Test {};
using ElementTypes =
    testing::Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, float, double>;
TYPED_TEST_SUITE(EveryElementType, ElementTypes);

TYPED_TEST(EveryElementType, EncodesRandomMatrices) {
  expect_random_matrices_encode<TypeParam>(0.05, 1);
  expect_random_matrices_encode<TypeParam>(0.9, 2);
  expect_random_matrices_encode<TypeParam>(0.0, 3);
}

TEST(SignalEncoder, LeadingNaNIsNotYetObserved) {
  const std::vector<double> bars = {kNaN, kNaN, 0.0, 0.0, 1.0};
  const SignalEncoder encoder = encode_events(bars);
  EXPECT_EQ(encoder.changes().idx, (std::vector<BarIndex>{2, 4}));
  EXPECT_EQ(encoder.observed_from(), 2);
  EXPECT_EQ(encoder.observed_to(), 4);
  EXPECT_TRUE(same(*decode(encoder.changes(), encoder.bar_count()), bars));
  EXPECT_EQ(encode_series<double>(bars).changes(), encoder.changes());
  EXPECT_EQ(encode_matrix<double>({bars, bars}, true)[1].changes(), encoder.changes());

  const SignalEncoder nothing = encode_events({kNaN, kNaN});
  EXPECT_EQ(nothing.bar_count(), 0);
  EXPECT_EQ(nothing.observed_from(), std::nullopt);
}

TEST(SignalEncoder, LaterNaNIsAnErrorUnlessItsMeaningIsSaid) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> bars(40);
    for (double& bar : bars) bar = random() % 3 == 0 ? kNaN : static_cast<double>(random() % 3) - 1.0;
    for (const bool flat : {true, false}) {
      const MissingSignal missing = flat ? MissingSignal::flat : MissingSignal::hold;
      const SignalChanges expected = slow_encode(bars, flat);
      EXPECT_EQ(encode_events(bars, missing).changes(), expected);
      EXPECT_EQ(encode_matrix<double>({bars, bars}, true, missing)[1].changes(), expected);
      EXPECT_EQ(encode_matrix<float>({bars, bars}, false, missing)[0].changes(), expected);
    }
  }
  SignalEncoder encoder;
  ASSERT_TRUE(encoder.observe(0, 1.0).ok());
  const Status status = encoder.observe(7, kNaN);
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_NE(status.message().find("bar 7"), std::string::npos) << status.message();
  EXPECT_TRUE(encoder.observe(7, 1.0).ok()) << "the refused value must leave no trace";
}

TEST(SignalEncoder, NamesTheStrategyOfAWrongValueInAMatrix) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const bool rows_are_bars : {true, false}) {
    const double good[] = {0, 0, 0, 0, 0, infinity};  // bar 2 of strategy 1 in the first order
    const double other[] = {0, 0, 0, 0, 0, infinity};
    std::vector<SignalEncoder> encoders(2);
    int64_t failed = -1;
    const Status status = observe_matrix({.data = rows_are_bars ? good : other,
                                          .type = ElementType::float64,
                                          .bar_count = 3,
                                          .strategy_count = 2,
                                          .bar_stride = rows_are_bars ? 16 : 8,
                                          .strategy_stride = rows_are_bars ? 8 : 24},
                                         10, encoders, &failed);
    EXPECT_EQ(status.code(), StatusCode::invalid);
    EXPECT_EQ(failed, 1);
    EXPECT_NE(status.message().find("bar 12"), std::string::npos) << status.message();
  }
}

TEST(SignalEncoder, MinusZeroIsZero) {
  const SignalEncoder encoder = encode_events({0.0, -0.0, 1.0, -0.0});
  EXPECT_EQ(encoder.changes().idx, (std::vector<BarIndex>{0, 2, 3}));
  EXPECT_FALSE(std::signbit(encoder.changes().values[2]));
  EXPECT_EQ(encode_series<double>({0.0, -0.0, 1.0, -0.0}).changes(), encoder.changes());
  EXPECT_FALSE(std::signbit(encode_series<float>({-0.0, 1.0, -0.0}).changes().values[0]));
}

TEST(SignalEncoder, BarsGoForward) {
  SignalEncoder encoder;
  ASSERT_TRUE(encoder.observe(5, 1.0).ok());
  EXPECT_NE(encoder.observe(5, 1.0).message().find("twice"), std::string::npos);
  EXPECT_NE(encoder.observe(4, 1.0).message().find("forward"), std::string::npos);
  EXPECT_FALSE(SignalEncoder().observe(-1, 1.0).ok());
  const int8_t values[] = {1, 0};
  EXPECT_FALSE(encoder.observe_series<int8_t>(5, values, 2).ok());
  EXPECT_TRUE(encoder.observe_series<int8_t>(6, values, 2).ok());
  EXPECT_EQ(encoder.changes().idx, (std::vector<BarIndex>{5, 7})) << "a series goes on where the last one ended";
}

TEST(SignalEncoder, BarsLeftOutHoldTheEarlierValue) {
  SignalEncoder encoder;
  ASSERT_TRUE(encoder.observe(2, 1.0).ok());
  ASSERT_TRUE(encoder.observe(10, 1.0).ok());
  ASSERT_TRUE(encoder.observe(20, 0.0).ok());
  encoder.observe_held_until(99);
  EXPECT_EQ(encoder.changes().idx, (std::vector<BarIndex>{2, 20}));
  EXPECT_EQ(encoder.bar_count(), 100);
}

TEST(SignalEncoder, AnIntegerMustFitADouble) {
  const int64_t large[] = {int64_t{1} << 53, (int64_t{1} << 53) + 1};
  SignalEncoder encoder;
  const Status status = encoder.observe_series<int64_t>(0, large, 2);
  EXPECT_NE(status.message().find("9007199254740993"), std::string::npos) << status.message();
  const uint64_t largest[] = {std::numeric_limits<uint64_t>::max()};
  EXPECT_FALSE(SignalEncoder().observe_series<uint64_t>(0, largest, 1).ok());
}

TEST(SignalEncoder, Labels) {
  std::mt19937_64 random(5);
  const std::vector<std::string> names = {"trending", "ranging", "é\U0001F600", std::string(300, 'x')};
  for (int round = 0; round < 100; ++round) {
    std::vector<std::string> bars(50);
    SignalEncoder encoder(SignalKind::label);
    for (size_t bar = random() % 10; bar < bars.size(); ++bar) bars[bar] = names[random() % names.size()];
    size_t changes = 0;
    for (size_t bar = 0; bar < bars.size(); ++bar) {
      ASSERT_TRUE(encoder.observe_label(static_cast<BarIndex>(bar), bars[bar]).ok());
      changes += !bars[bar].empty() && (bar == 0 || bars[bar] != bars[bar - 1]);
    }
    EXPECT_EQ(encoder.changes().size(), changes);
    EXPECT_EQ(*decode_labels(encoder.changes(), encoder.bar_count()), bars);
    EXPECT_FALSE(encoder.observe_label(50, "").ok());
  }
}

TEST(Decode, RefusesWhatNoEncoderWrites) {
  const auto changes = [](std::vector<BarIndex> idx, std::vector<double> values) {
    return SignalChanges{.kind = SignalKind::number, .idx = std::move(idx), .values = std::move(values), .labels = {}};
  };
  EXPECT_EQ(decode(changes({0, 0}, {1, 0}), 5).status().code(), StatusCode::damaged);
  EXPECT_EQ(decode(changes({3, 2}, {1, 0}), 5).status().code(), StatusCode::damaged);
  EXPECT_EQ(decode(changes({-1}, {1}), 5).status().code(), StatusCode::damaged);
  EXPECT_EQ(decode(changes({5}, {1}), 5).status().code(), StatusCode::damaged);
  EXPECT_EQ(decode(changes({1, 2}, {1}), 5).status().code(), StatusCode::damaged);
  EXPECT_TRUE(decode(changes({4}, {1}), 5).ok());
}

}  // namespace
}  // namespace signalbook
