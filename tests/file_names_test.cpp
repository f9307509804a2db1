#include "format/file_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/digest.h"

namespace signalbook {
namespace {

std::string digest_of(std::string_view text) { return to_hex(sha256(text)); }

std::string path_of(TracePaths& paths, std::string_view symbol, std::string_view type, const std::string& digest,
                    SignalKind kind = SignalKind::number) {
  return paths.add(
      {.symbol = symbol, .timeframe = "5m", .kind = kind, .strategy_type = type, .strategy_digest = digest});
}

TEST(EscapeName, KeepsPlainNamesAndEscapesTheRest) {
  EXPECT_EQ(escape_name("bollinger_bands"), "bollinger_bands");
  EXPECT_EQ(escape_name("BTC/USDT"), "BTC~2FUSDT");
  EXPECT_EQ(escape_name("../x"), "~2E.~2Fx");
  EXPECT_EQ(escape_name("_hidden"), "~5Fhidden");
  EXPECT_EQ(escape_name("a=b"), "a~3Db");
  EXPECT_EQ(escape_name("~"), "~7E");
  EXPECT_EQ(escape_name(""), "~");
  EXPECT_EQ(escape_name("\xF0\x9F\x98\x80"), "~F0~9F~98~80");
  EXPECT_EQ(escape_name(std::string_view("a\0b", 3)), "a~00b");
}

TEST(EscapeName, IsOneSafePartForEveryByteAndLength) {
  std::set<std::string> names;
  for (int byte = 0; byte < 256; ++byte) {
    for (const size_t length : {size_t{1}, size_t{2}, size_t{79}, size_t{80}, size_t{81}, size_t{300}}) {
      const std::string name = escape_name(std::string(length, static_cast<char>(byte)));
      EXPECT_LE(name.size(), kMaxNamePart);
      EXPECT_TRUE(names.insert(name).second) << "different texts, one name: " << name;
      EXPECT_NE(name[0], '.');
      EXPECT_NE(name[0], '_');
      for (const char c : name) EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)) || strchr("_.-~", c)) << name;
    }
  }
}

TEST(TracePaths, AreThoseOfTheDesign) {
  TracePaths paths;
  const std::string digest = "39a6426ec117" + std::string(52, '0');
  EXPECT_EQ(path_of(paths, "SPY", "bollinger_bands", digest),
            "traces/SPY_5m/signals/bollinger_bands/SPY_5m_bollinger_bands_39a6426ec117.parquet");
  EXPECT_EQ(path_of(paths, "SPY", "regime", digest, SignalKind::label),
            "traces/SPY_5m/classifiers/regime/SPY_5m_regime_39a6426ec117.parquet");
}

TEST(TracePaths, TwelveEqualDigitsTakeMore) {
  TracePaths paths;
  const std::string one = "39a6426ec117" + std::string(52, '0'), two = "39a6426ec117" + std::string(52, '1');
  path_of(paths, "SPY", "rsi", one);
  EXPECT_EQ(path_of(paths, "SPY", "rsi", two), "traces/SPY_5m/signals/rsi/SPY_5m_rsi_39a6426ec1171111.parquet");
}

TEST(TracePaths, NeverRepeatAlsoWhereCaseDoesNotCount) {
  TracePaths paths;
  std::set<std::string> seen;
  for (const char* symbol : {"SPY", "spy", "Spy", "BTC_1", "BTC"}) {
    for (const char* type : {"rsi", "RSI", "Rsi", "../rsi"}) {
      for (int copy = 0; copy < 20; ++copy) {  // the same strategy, whose traces differ
        std::string path = path_of(paths, symbol, type, digest_of("x"));
        std::transform(path.begin(), path.end(), path.begin(), [](unsigned char c) { return std::tolower(c); });
        EXPECT_TRUE(seen.insert(path).second) << path;
        EXPECT_TRUE(path.starts_with("traces/") && path.find("..") == std::string::npos) << path;
      }
    }
  }
}

TEST(TracePaths, TellsFeedsOfOneSpellingApart) {
  TracePaths paths;
  const std::string a =
      paths.add({.symbol = "BTC_1", .timeframe = "5m", .strategy_type = "rsi", .strategy_digest = digest_of("x")});
  const std::string b =
      paths.add({.symbol = "BTC", .timeframe = "1_5m", .strategy_type = "rsi", .strategy_digest = digest_of("x")});
  EXPECT_NE(a.substr(0, a.find("/signals")), b.substr(0, b.find("/signals")));
}

}  // namespace
}  // namespace signalbook
