#include <iostream>
#include <iterator>

#include "cli/commands.h"
#include "cli/find_strategy.h"
#include "query/arrow_c_stream.h"
#include "query/sql_engine.h"

namespace signalbook::cli {

Status run_sql(const SqlOptions& options) {
  std::string query = options.query;
  if (query == "-") {
    query.assign(std::istreambuf_iterator<char>(std::cin), {});
    SB_RETURN_IF_ERROR(check_standard_input());
  }
  std::string relation;
  if (!options.common.sort_by.empty()) {
    query.erase(query.find_last_not_of("; \t\r\n") + 1);
    relation = "(" + query + "\n)";
    query = "SELECT * FROM " + relation + sort_clause(options.common.sort_by);
  }
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(options.common));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, open_engine(scope, options.common, !options.unconfined));
  ArrowArrayStream stream;
  SB_RETURN_IF_ERROR(explain_sort_error(*engine, engine->query(query, &stream), relation, options.common.sort_by));
  return print_result(&stream, options.common);
}

}  // namespace signalbook::cli
