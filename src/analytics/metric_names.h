#pragma once

#include <cstdint>
#include <optional>

#include "analytics/metrics.h"

namespace signalbook {

// The figures of a trace by the names they have as columns, in the order of the columns.

struct RealMetric {
  const char* name;
  std::optional<double> Metrics::*value;
};

struct CountMetric {
  const char* name;
  std::optional<int64_t> Metrics::*value;
};

inline constexpr RealMetric kRealMetrics[] = {
    {"total_return", &Metrics::total_return},
    {"total_pnl", &Metrics::total_pnl},
    {"annual_return", &Metrics::annual_return},
    {"annual_volatility", &Metrics::annual_volatility},
    {"sharpe_ratio", &Metrics::sharpe_ratio},
    {"sortino_ratio", &Metrics::sortino_ratio},
    {"calmar_ratio", &Metrics::calmar_ratio},
    {"max_drawdown", &Metrics::max_drawdown},
    {"win_rate", &Metrics::win_rate},
    {"profit_factor", &Metrics::profit_factor},
    {"avg_trade_return", &Metrics::avg_trade_return},
    {"avg_bars_held", &Metrics::avg_bars_held},
    {"exposure", &Metrics::exposure},
    {"turnover", &Metrics::turnover},
};

inline constexpr CountMetric kCountMetrics[] = {
    {"max_drawdown_bars", &Metrics::max_drawdown_bars},
    {"trade_count", &Metrics::trade_count},
    {"long_trades", &Metrics::long_trades},
    {"short_trades", &Metrics::short_trades},
};

inline constexpr const char* kMetricsDefinition = "metrics_definition";

}  // namespace signalbook
