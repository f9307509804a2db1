#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.h"
#include "cli/find_strategy.h"
#include "query/catalog.h"

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
  constexpr int kMostNamed = 20;
  SB_ASSIGN_OR_RETURN(
      const Table conflicts,
      ask(engine, fmt::format("SELECT strategy_hash, strategy_type, array_to_string(run_ids[:5], ', '), "
                              "count(*) OVER () FROM hash_history WHERE trace_conflicts > 0 "
                              "ORDER BY strategy_hash LIMIT {}",
                              kMostNamed)));
  for (size_t i = 0; i < conflicts.row_count(); ++i) {
    facts.add("other trace from equal input",
              fmt::format("{} {} in {}", conflicts.columns[0].texts[i], conflicts.columns[1].texts[i],
                          conflicts.columns[2].texts[i]));
  }
  if (const size_t shown = conflicts.row_count(); shown > 0) {
    const int64_t all = conflicts.columns[3].integers.front();
    if (all > static_cast<int64_t>(shown)) {
      facts.add("other trace from equal input", fmt::format("and {} more", with_separators(all - kMostNamed)));
    }
  }
  return Status();
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
