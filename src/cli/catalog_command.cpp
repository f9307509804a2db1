#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.h"
#include "cli/find_strategy.h"
#include "query/catalog.h"
#include "query/sql_text.h"

namespace signalbook::cli {

namespace {

class Facts {
 public:
  Facts() {
    table_.add("fact", ColumnType::text);
    table_.add("value", ColumnType::text);
  }
  void add(const std::string& fact, const std::string& value) {
    table_.columns[0].append_text(fact);
    table_.columns[1].append_text(value);
  }
  const Table& table() const { return table_; }

 private:
  Table table_;
};

void add_state(const Catalog& catalog, size_t missing, Facts& facts) {
  int64_t runs = 0, traces = 0;
  for (const CatalogManifest::Segment& segment : catalog.manifest().segments) {
    runs += static_cast<int64_t>(segment.runs.size() - segment.gone.size());
    traces += segment.strategies.row_count;
  }
  facts.add("runs", with_separators(runs));
  facts.add("runs not in it yet", with_separators(static_cast<int64_t>(missing)));
  facts.add("segments", with_separators(static_cast<int64_t>(catalog.manifest().segments.size())));
  facts.add("rows", with_separators(traces));
  facts.add("bytes", with_separators(catalog.size()));
}

// Each strategy with several traces on one feed by one code, with the runs of each trace. Fewest runs first: what only
// one run says is what somebody looks for.
Status add_conflicts(SqlEngine& engine, Facts& facts) {
  constexpr const char* kFact = "other trace from equal input";
  constexpr int64_t kMostNamed = 20;
  constexpr int kMostTraces = 8, kMostRuns = 3;
  SB_ASSIGN_OR_RETURN(const Table hashes,
                      ask(engine, fmt::format("SELECT strategy_hash, (sum(trace_conflicts) OVER ())::BIGINT, "
                                              "trace_conflicts FROM hash_history WHERE trace_conflicts > 0 "
                                              "ORDER BY strategy_hash, strategy_digest LIMIT {}",
                                              kMostNamed)));
  if (hashes.row_count() == 0) return Status();
  std::vector<std::string> quoted;
  int64_t unseen = hashes.columns[1].integers.front();  // of strategies that are not asked about
  for (size_t i = 0; i < hashes.row_count(); ++i) {
    quoted.push_back(quote_sql_text(hashes.columns[0].texts[i]));
    unseen -= hashes.columns[2].integers[i];
  }
  // Of the view strategies, as the history does not say which run had which trace. No code_version is one like any
  // other. A trace that was not observed to its end differs for another reason.
  SB_ASSIGN_OR_RETURN(
      const Table conflicts,
      ask(engine,
          fmt::format("WITH by_trace AS (SELECT strategy_digest, any_value(strategy_hash) AS hash, "
                      "any_value(strategy_type) AS type, symbol, timeframe, data_id, coalesce(code_version, '') AS "
                      "code, list_sort(list_distinct(list(run_id))) AS run_ids FROM strategies LEFT JOIN (SELECT "
                      "run_id, code_version FROM runs) USING (run_id) WHERE strategy_hash IN ({}) AND complete AND "
                      "trace_hash IS NOT NULL GROUP BY strategy_digest, symbol, timeframe, data_id, code, trace_hash), "
                      "named AS (SELECT *, array_to_string(run_ids[:{}], ', ') || CASE WHEN len(run_ids) > {} THEN "
                      "' and ' || (len(run_ids) - {}) || ' more' ELSE '' END AS text FROM by_trace) "
                      "SELECT concat_ws(' ', any_value(hash), any_value(type), symbol, timeframe) || ': ' || "
                      "array_to_string(list(text ORDER BY len(run_ids), run_ids)[:{}], ' | ') || CASE WHEN count(*) > "
                      "{} THEN ' | and ' || (count(*) - {}) || ' more traces' ELSE '' END, count(*) OVER () FROM named "
                      "GROUP BY strategy_digest, symbol, timeframe, data_id, code HAVING count(*) > 1 "
                      "ORDER BY strategy_digest, symbol, timeframe, data_id, code LIMIT {}",
                      fmt::join(quoted, ", "), kMostRuns, kMostRuns, kMostRuns, kMostTraces, kMostTraces, kMostTraces,
                      kMostNamed)));
  const size_t shown = conflicts.row_count();
  for (size_t i = 0; i < shown; ++i) facts.add(kFact, conflicts.columns[0].texts[i]);
  const int64_t cut = shown == 0 ? 0 : conflicts.columns[1].integers.front() - static_cast<int64_t>(shown);
  if (cut + unseen > 0) facts.add(kFact, fmt::format("and {} more", with_separators(cut + unseen)));
  return Status();
}

// What a researcher should look at: two strategies with one hash, one strategy with two outcomes on the same data.
Status add_reports(SqlEngine& engine, Facts& facts) {
  SB_ASSIGN_OR_RETURN(
      const Table collisions,
      ask(engine,
          "SELECT strategy_hash, string_agg(left(lower(hex(strategy_digest)), 20), ', ' ORDER BY strategy_digest) "
          "FROM hash_history WHERE strategy_digest IS NOT NULL GROUP BY 1 HAVING count(DISTINCT strategy_digest) > 1 "
          "ORDER BY 1"));
  for (size_t i = 0; i < collisions.row_count(); ++i) {
    facts.add("one hash, several strategies",
              fmt::format("{}: {}", collisions.columns[0].texts[i], collisions.columns[1].texts[i]));
  }
  return add_conflicts(engine, facts);
}

}  // namespace

Status run_catalog(const CatalogOptions& options) {
  FileSystem& files = posix_file_system();
  SB_ASSIGN_OR_RETURN(Scope scope, find_scope(options.common));
  scope.run_path.reset();  // a catalogue is the store's
  SB_ASSIGN_OR_RETURN(const std::string store_path, files.absolute_path(scope.store_path));
  SB_ASSIGN_OR_RETURN(Catalog catalog, Catalog::open(files, store_path));
  if (options.refresh || options.rebuild) {
    SB_ASSIGN_OR_RETURN(const Catalog::Refreshed refreshed, catalog.refresh(options.rebuild, true));
    print_note(options.common, fmt::format("{} runs added, {} removed, {} in all", with_separators(refreshed.added),
                                           with_separators(refreshed.removed), with_separators(refreshed.run_count)));
  }
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, list_runs(files, scope.store_path));
  SB_ASSIGN_OR_RETURN(const Catalog::Content content, catalog.content(runs));
  Facts facts;
  add_state(catalog, content.missing.size(), facts);
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, open_engine(scope, options.common));
  SB_RETURN_IF_ERROR(add_reports(*engine, facts));
  for (const auto& [run_id, why] : content.left_out) facts.add("left out", run_id + ": " + why);
  return print_table(facts.table(), options.common);
}

}  // namespace signalbook::cli
