#include "store/completed_traces.h"

#include <fmt/format.h>

#include <cstring>

#include "format/trace_schema.h"
#include "store/recorded_run.h"
#include "store/run_journals.h"
#include "store/run_reader.h"

namespace signalbook {

namespace {

uint64_t first_bytes(const Digest& digest) {
  uint64_t number;
  std::memcpy(&number, digest.data(), sizeof(number));
  return number;
}

}  // namespace

size_t CompletedTraces::DigestHash::operator()(const Digest& digest) const { return first_bytes(digest); }

CompletedTraces::State CompletedTraces::state_of(bool complete, const std::optional<std::string>& code_version) const {
  if (!complete) return State::incomplete;
  return code_version == code_version_ ? State::complete : State::other_code;
}

void CompletedTraces::add(const Digest& strategy_digest, const Digest& value_digest, State state) {
  const Known found{.state = state, .run = static_cast<uint32_t>(run_ids_.size() - 1)};
  Known& known = by_digest_.try_emplace(strategy_digest, found).first->second;
  if (found.state < known.state) known = found;
  if (state == State::complete) complete_by_value_.try_emplace(first_bytes(value_digest), found.run);
}

Status CompletedTraces::add_index(FileSystem& files, const std::string& run_path) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunReader> run, RunReader::open(files, run_path));
  for (const IndexRow& row : run->rows()) {
    if (row.data_id != data_id_hex_) continue;
    add(row.strategy_digest, row.value_digest, state_of(row.complete, run->description().code_version));
  }
  return Status();
}

Status CompletedTraces::add_journals(FileSystem& files, const std::string& run_path) {
  SB_ASSIGN_OR_RETURN(const RecordedRun run, read_recorded_run(files, run_path));
  for (const RecordedSource& source : run.sources) {
    if (run.feeds[source.feed].second != data_id_hex_) continue;
    const TraceRecord& trace = run.record_of(source);
    const bool code_is_known = run.writers[source.writer].header.has_value();
    SB_ASSIGN_OR_RETURN(const JsonValue config,
                        parse_json(run.writers[source.writer].strategies[trace.strategy].config));
    SB_ASSIGN_OR_RETURN(const StrategyIdentity identity, identify_strategy(config));
    const State state = state_of(is_complete(trace, run.bar_counts[source.feed]), run.description.code_version);
    add(identity.digest, identity.value_digest, state == State::complete && !code_is_known ? State::other_code : state);
  }
  return Status();
}

Status CompletedTraces::add_run(FileSystem& files, const std::string& run_path) {
  run_ids_.push_back(file_name_of(run_path));
  SB_ASSIGN_OR_RETURN(const bool is_finished, files.file_exists(join_path(run_path, file::kStrategyIndex)));
  if (is_finished) return add_index(files, run_path);
  SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals(files, run_path));
  if (journals.empty()) return Status::not_found(fmt::format("{} is no run", run_path));
  return add_journals(files, run_path);
}

Status CompletedTraces::add_store(FileSystem& files, const std::string& store_path,
                                  std::vector<std::string>* left_out) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(store_path));
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory || entry.name == file::kStoreDirectory || entry.name == file::kBarsDirectory) continue;
    const std::string path = store_path == "." ? entry.name : join_path(store_path, entry.name);
    const Status status = add_run(files, path);
    if (status.ok() || status.code() == StatusCode::not_found) continue;
    if (status.code() == StatusCode::io_error) return status;
    left_out->push_back(status.message());
  }
  return Status();
}

CompletedTraces::Answer CompletedTraces::find(const Digest& strategy_digest, const Digest& value_digest) const {
  Answer answer;
  const auto take = [&](State state, uint32_t run) {
    if (state < answer.state) answer = {.state = state, .run_id = run_ids_[run]};
  };
  const auto known = by_digest_.find(strategy_digest);
  if (known != by_digest_.end()) take(known->second.state, known->second.run);
  const auto other = complete_by_value_.find(first_bytes(value_digest));
  if (other != complete_by_value_.end()) take(State::other_spelling, other->second);
  return answer;
}

}  // namespace signalbook
