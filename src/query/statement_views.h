#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/file_system.h"
#include "base/status.h"
#include "query/database.h"
#include "query/path_calls.h"
#include "query/pinned_paths.h"
#include "query/sql_statement.h"
#include "query/view_builder.h"
#include "store/store.h"

namespace signalbook {

// Gives a statement the tables that it names. Reading an index or looking for traces costs, so only what a statement
// names is made, and once. One statement at a time.
class StatementViews {
 public:
  // `store_path` is absolute. NotFound when there is no run.
  static Result<StatementViews> open(FileSystem& files, const std::string& store_path, const Scope& scope,
                                     bool confined);

  // `connection` will run the statement.
  Status make(Connection& connection, const StatementNames& names);
  // Every view, for a text that nobody looked at; `with_paths` strategy_index.parquet as well. What cannot be made is
  // left out.
  Status make_all(Connection& connection, bool with_paths);

  // The statement in which calls such as read_parquet('traces/...') read what their paths mean.
  Result<std::string> resolve_paths(Connection& connection, const std::string& statement, const StatementNames& names);

  const std::map<std::string, Status>& left_out() const { return builder_.left_out(); }
  // What statements read by other names than their paths.
  const std::shared_ptr<PinnedPaths>& pinned() const { return pinned_; }

 private:
  StatementViews(ViewBuilder builder, PathCalls calls, std::shared_ptr<PinnedPaths> pinned)
      : builder_(std::move(builder)), calls_(std::move(calls)), pinned_(std::move(pinned)) {}
  Status make_view(Connection& connection, const TableName& table, const StatementNames& names);
  Status make_trades_at(Connection& connection);

  ViewBuilder builder_;
  PathCalls calls_;
  std::shared_ptr<PinnedPaths> pinned_;
  std::set<std::string> views_;  // made so far, by their names
};

}  // namespace signalbook
