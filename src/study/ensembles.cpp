#include "study/ensembles.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

#include "analytics/joint_stretches.h"
#include "format/signal_encoder.h"
#include "format/strategy_identity.h"
#include "study/vote_tree.h"

namespace signalbook {

namespace {

struct Composite {
  RunReader* run = nullptr;
  const IndexRow* row = nullptr;
  VoteTree tree;
  std::vector<StrategyComponent> components;
};

// ---- Where leaves stand alone
// ----------------------------------------------------------------------------------------

struct StoredTrace {
  RunReader* run = nullptr;
  const IndexRow* row = nullptr;
};

class LeafTraces {
 public:
  void want(const Digest& digest, const IndexRow& beside) { found_[key_of(digest, beside)]; }

  void look_in(RunReader& run) {
    for (const IndexRow& row : run.rows()) {
      const auto wanted = found_.find(key_of(row.strategy_digest, row));
      if (wanted != found_.end()) wanted->second.push_back({&run, &row});
    }
  }

  bool has_all() const {
    return std::ranges::none_of(found_, [](const auto& leaf) { return leaf.second.empty(); });
  }

  // On the bars of that row: of the same run, else the first that reaches as far, else the one that comes nearest.
  std::optional<StoredTrace> find(const Digest& digest, const RunReader& run, const IndexRow& beside) const {
    std::optional<StoredTrace> best;
    const auto rank = [&](const StoredTrace& trace) {
      return std::pair(trace.run == &run, std::min(trace.row->bar_count, beside.bar_count));
    };
    for (const StoredTrace& trace : found_.at(key_of(digest, beside))) {
      if (!best || rank(trace) > rank(*best)) best = trace;
    }
    return best;
  }

 private:
  using Key = std::tuple<Digest, std::string, std::string, std::string>;
  static Key key_of(const Digest& digest, const IndexRow& row) {
    return {digest, row.symbol, row.timeframe, row.data_id};
  }

  std::map<Key, std::vector<StoredTrace>> found_;
};

// ---- One composite
// ---------------------------------------------------------------------------------------------------

struct LeafTrace {
  const StrategyComponent* component = nullptr;
  StoredTrace stored;
  Trace trace;
};

class Checker {
 public:
  Checker(const Composite& composite, const LeafTraces& leaves) : composite_(composite), leaves_(leaves) {
    check_.run = composite.run;
    check_.row = composite.row;
  }

  Result<EnsembleCheck> check() {
    find_leaves();
    if (check_.reason.empty() && composite_.row->kind != SignalKind::number) check_.reason = "it says labels";
    if (check_.reason.empty() && composite_.tree.flaw) check_.reason = *composite_.tree.flaw;
    if (!check_.reason.empty()) return std::move(check_);
    SB_RETURN_IF_ERROR(read_traces());
    compare();
    return std::move(check_);
  }

 private:
  static std::string name_of(const StrategyComponent& leaf) {
    return fmt::format("{} {} (part {})", leaf.type, leaf.hash(), leaf.path);
  }

  void find_leaves() {
    std::string missing, labels;
    for (size_t i = 0; i < composite_.components.size(); ++i) {
      const StrategyComponent& component = composite_.components[i];
      if (!component.is_leaf) continue;
      ++check_.leaf_count;
      const std::optional<StoredTrace> found = leaves_.find(component.digest, *composite_.run, *composite_.row);
      if (!found) {
        if (missing.empty()) missing = name_of(component);
        continue;
      }
      ++check_.leaves_found;
      if (found->row->kind != SignalKind::number && labels.empty()) labels = name_of(component);
      traces_.emplace(i, LeafTrace{&component, *found, {}});
    }
    const int64_t missing_count = check_.leaf_count - check_.leaves_found;
    if (!missing.empty()) {
      check_.reason = fmt::format("{} of {} leaves {} no trace on these bars: {}{}", missing_count, check_.leaf_count,
                                  missing_count == 1 ? "has" : "have", missing, missing_count == 1 ? "" : ", ...");
    } else if (!labels.empty()) {
      check_.reason = fmt::format("leaf {} says labels", labels);
    }
  }

  Status read_traces() {
    SB_ASSIGN_OR_RETURN(stored_, composite_.run->read_trace(*composite_.row));
    SB_RETURN_IF_ERROR(check_changes(stored_.changes, composite_.row->bar_count));
    for (auto& [place, leaf] : traces_) {
      SB_ASSIGN_OR_RETURN(leaf.trace, leaf.stored.run->read_trace(*leaf.stored.row));
      SB_RETURN_IF_ERROR(check_changes(leaf.trace.changes, leaf.stored.row->bar_count));
    }
    return Status();
  }

  SignalChanges votes_by(const VoteConvention& convention, int64_t bar_count) const {
    return recompute(composite_.tree, convention, bar_count,
                     [&](size_t component) -> const SignalChanges& { return traces_.at(component).trace.changes; });
  }

  void compare() {
    const LeafTrace* shortest = nullptr;
    int64_t bar_count = composite_.row->bar_count;
    for (const auto& [place, leaf] : traces_) {
      if (leaf.stored.row->bar_count >= bar_count) continue;
      bar_count = leaf.stored.row->bar_count;
      shortest = &leaf;
    }
    const std::vector<VoteConvention> conventions = conventions_for(composite_.tree);
    for (const VoteConvention& convention : conventions) {
      const SignalChanges votes = votes_by(convention, bar_count);
      const PositionAgreement agreement = compare_positions(stored_.changes, votes, 0, bar_count);
      const bool is_equal = !agreement.first;
      if (!is_equal && check_.comparison) continue;  // it is told beside the rule of the document
      check_.comparison = {.rule = describe(convention, composite_.tree),
                           .bar_count = bar_count,
                           .equal_bars = agreement.equal_bars,
                           .first_difference = told(agreement.first)};
      check_.verdict = is_equal ? EnsembleVerdict::equal : EnsembleVerdict::differs;
      check_.reason = is_equal ? "" : reason_of(agreement, votes, bar_count);
      if (is_equal) break;
    }
    if (check_.verdict == EnsembleVerdict::equal && shortest != nullptr) {
      check_.verdict = EnsembleVerdict::unknown;
      check_.reason = fmt::format("leaf {} ends after {} of {} bars", name_of(*shortest->component), bar_count,
                                  composite_.row->bar_count);
    } else if (check_.verdict == EnsembleVerdict::differs && !composite_.tree.other_demands.empty()) {
      check_.verdict = EnsembleVerdict::unknown;
      check_.reason = fmt::format("no trace holds {}", fmt::join(composite_.tree.other_demands, ", "));
    }
  }

  std::optional<EnsembleCheck::Comparison::Difference> told(const std::optional<PositionDifference>& difference) const {
    if (!difference) return std::nullopt;
    return EnsembleCheck::Comparison::Difference{
        .idx = difference->idx, .ts = time_of(difference->idx), .stored = difference->a, .recomputed = difference->b};
  }

  // A difference begins where one of the traces changes, so that no bars are needed for its time.
  std::optional<int64_t> time_of(BarIndex idx) const {
    const auto in = [&](const Trace& trace) -> std::optional<int64_t> {
      const auto place = std::ranges::lower_bound(trace.changes.idx, idx) - trace.changes.idx.begin();
      const auto k = static_cast<size_t>(place);
      return k < trace.ts.size() && trace.changes.idx[k] == idx ? std::optional(trace.ts[k]) : std::nullopt;
    };
    std::optional<int64_t> ts = in(stored_);
    for (const auto& [place, leaf] : traces_) ts = ts ? ts : in(leaf.trace);
    return ts;
  }

  std::string reason_of(const PositionAgreement& agreement, const SignalChanges& votes, int64_t bar_count) const {
    const BarIndex first_vote = votes.idx.empty() ? composite_.row->bar_count : votes.idx.front();
    if (agreement.last->idx < first_vote) {
      return fmt::format("only before bar {}, the first on which all leaves have said something", first_vote);
    }
    if (differs_at_thresholds_alone(votes, bar_count)) {
      return "only where a sum is its threshold, which rounding decides";
    }
    return fmt::format("from bar {} to bar {}", agreement.first->idx, agreement.last->idx);
  }

  bool differs_at_thresholds_alone(const SignalChanges& votes, int64_t bar_count) const {
    if (!composite_.tree.has_limits()) return false;
    const SignalChanges others = votes_by({.with_limit = VoteRule::at_least}, bar_count);
    bool is_either = true;
    const std::array<const SignalChanges*, 3> traces = {&stored_.changes, &votes, &others};
    for_each_joint_stretch(traces, 0, bar_count, [&](BarIndex, BarIndex, std::span<const double> values) {
      const auto held = [&](size_t trace) { return std::isnan(values[trace]) ? 0.0 : values[trace]; };
      is_either &= are_equal_positions(held(0), held(1)) || are_equal_positions(held(0), held(2));
    });
    return is_either;
  }

  const Composite& composite_;
  const LeafTraces& leaves_;
  EnsembleCheck check_;
  Trace stored_;
  std::map<size_t, LeafTrace> traces_;  // by the place among the components
};

// ---- All of them
// -----------------------------------------------------------------------------------------------------

// Nothing for a strategy without others inside it.
Result<std::optional<Composite>> read_composite(RunReader& run, const IndexRow& row) {
  const auto place = [&](const Status& status) { return status.at(fmt::format("strategy {}", row.strategy_id)); };
  const Result<JsonValue> config = parse_json(row.strategy_config);
  if (!config.ok()) return place(config.status());
  const Result<JsonValue> node = normalize_strategy(*config);
  if (!node.ok()) return place(node.status());
  std::vector<StrategyComponent> components = list_components(*node);
  if (components.empty()) return std::optional<Composite>();
  VoteTree tree = read_vote_tree(*node, components);
  return std::optional(Composite{&run, &row, std::move(tree), std::move(components)});
}

}  // namespace

Result<std::vector<EnsembleCheck>> check_ensembles(
    std::span<RunReader* const> runs, const FeedChoice& choice, const StudyControl& control,
    const OtherRuns& other_runs, const std::function<bool(const RunReader&, const IndexRow&)>& wanted) {
  std::vector<StoredTrace> asked;
  for (RunReader* const run : runs) {
    for (const IndexRow& row : run->rows()) {
      if (!choice.symbol.empty() && choice.symbol != row.symbol) continue;
      if (!choice.timeframe.empty() && choice.timeframe != row.timeframe) continue;
      if (!wanted || wanted(*run, row)) asked.push_back({run, &row});
    }
  }
  std::vector<std::optional<Composite>> found(asked.size());
  const StudyControl unseen = {.threads = control.threads, .interrupt = control.interrupt};  // progress counts traces
  SB_RETURN_IF_ERROR(unseen.for_each(asked.size(), [&](size_t i) -> Status {
    SB_ASSIGN_OR_RETURN(found[i], read_composite(*asked[i].run, *asked[i].row));
    return Status();
  }));
  std::vector<Composite> composites;
  LeafTraces leaves;
  for (std::optional<Composite>& composite : found) {
    if (!composite) continue;
    for (const StrategyComponent& component : composite->components) {
      if (component.is_leaf) leaves.want(component.digest, *composite->row);
    }
    composites.push_back(*std::move(composite));
  }
  for (RunReader* const run : runs) leaves.look_in(*run);
  if (other_runs && !leaves.has_all()) {
    SB_ASSIGN_OR_RETURN(const std::vector<RunReader*> others, other_runs());
    for (RunReader* const run : others) leaves.look_in(*run);
  }
  std::vector<EnsembleCheck> checks(composites.size());
  SB_RETURN_IF_ERROR(control.for_each(composites.size(), [&](size_t i) -> Status {
    SB_ASSIGN_OR_RETURN(checks[i], Checker(composites[i], leaves).check());
    return Status();
  }));
  return checks;
}

}  // namespace signalbook
