"""NumPy on the dense matrix in memory."""

import numpy as np
from common import main, timed

BARS_A_YEAR = 252 * 78


def figures_of(signals, close):
    """Total return, Sharpe ratio, drawdown, trades and win rate; the position of a bar's close earns over the next."""
    held = signals[:-1]
    earned = held * (close[1:] / close[:-1] - 1)[:, None]
    equity = np.cumprod(1 + earned, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        sharpe = earned.mean(axis=0) / earned.std(axis=0, ddof=1) * np.sqrt(BARS_A_YEAR)
        peak = np.maximum(np.maximum.accumulate(equity, axis=0), 1)
        drawdown = np.minimum((equity / peak).min(axis=0) - 1, 0)
        # Trades: stretches of one position, by the prices at their ends. What is open at the end has not won yet.
        by_strategy = np.ascontiguousarray(signals.T)
        is_change = np.ones(by_strategy.shape, bool)
        is_change[:, 1:] = by_strategy[:, 1:] != by_strategy[:, :-1]
        strategy, bar = np.nonzero(is_change)
        is_last = np.append(strategy[1:] != strategy[:-1], True)
        end = np.where(is_last, len(close) - 1, np.append(bar[1:], 0))
        side = by_strategy[strategy, bar]
        is_trade = (side != 0) & (end > bar)
        is_closed = is_trade & ~is_last
        won = is_closed & (side * (close[end] / close[bar] - 1) > 1e-12)
        count = len(by_strategy)
        trades = np.bincount(strategy[is_trade], minlength=count)
        win_rate = np.bincount(strategy[won], minlength=count) / np.bincount(strategy[is_closed], minlength=count)
    return {"total_return": equity[-1] - 1, "sharpe_ratio": sharpe, "max_drawdown": drawdown, "trade_count": trades,
            "win_rate": win_rate}  # fmt: skip


def metrics(w, _, __):
    seconds, figures = timed(figures_of, w.signals, w.closes)
    return {"seconds": seconds, "answer": rounded(figures)}


def rounded(figures):
    """What is compared: a sum over the strategies of each figure, undefined ones left out."""
    return {name: float(f"{np.nansum(values):.8g}") for name, values in figures.items()}


def alike(w, type_name, is_pnl):
    signals, close = w.signals, w.closes

    def correlation():
        held = signals[:-1].astype(type_name)
        if is_pnl:
            held *= (close[1:] / close[:-1] - 1)[:, None]
        return np.corrcoef(held, rowvar=False, dtype=type_name)

    with np.errstate(all="ignore"):
        seconds, matrix = timed(correlation)
    return {"seconds": seconds, "strategies": len(matrix)}


def alike_positions(w, _, __):
    return alike(w, "float32", False)


def alike_pnl(w, _, __):
    return alike(w, "float64", True)


if __name__ == "__main__":
    main("numpy")
