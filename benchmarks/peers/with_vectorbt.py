"""vectorbt: a portfolio of orders at changes from the dense matrix, 200 strategies at a time (all at once it would need
10 GB). It holds shares, not a share of equity, so that its figures are others than ours."""

import numpy as np
import pandas as pd
import vectorbt as vbt
from common import main, timed

AT_A_TIME, BARS_A_YEAR = 200, 252 * 78


def metrics(w, _, __):
    signals, close = w.signals, w.closes
    vbt.settings.returns["year_freq"] = pd.Timedelta(minutes=5) * BARS_A_YEAR
    index = pd.date_range("2024-01-01", periods=len(close), freq="5min")
    prices = pd.Series(close, index=index)

    def figures(columns):
        size = signals[:, columns].astype(np.float64)
        size[1:][signals[1:, columns] == signals[:-1, columns]] = np.nan
        size[0][signals[0, columns] == 0] = np.nan
        orders = pd.DataFrame(size, index=index)
        portfolio = vbt.Portfolio.from_orders(prices, orders, size_type="targetpercent", freq="5min", init_cash=1e6)
        trades = portfolio.trades
        return [portfolio.total_return(), portfolio.sharpe_ratio(), portfolio.max_drawdown(), trades.count(),
                trades.win_rate()]  # fmt: skip

    figures(slice(0, 8))  # compiles
    chunks = [slice(first, first + AT_A_TIME) for first in range(0, signals.shape[1], AT_A_TIME)]
    seconds, parts = timed(lambda: [figures(chunk) for chunk in chunks])
    return {"seconds": seconds, "trades": int(sum(part[3].sum() for part in parts))}


if __name__ == "__main__":
    main("vectorbt", "pandas", "numpy")
