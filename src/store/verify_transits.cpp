#include "store/verify_transits.h"

#include <vector>

#include "store/transit.h"

namespace signalbook {

Status check_transits(FileSystem& files, const std::string& store_path,
                      const std::function<void(Finding::Kind, const std::string&)>& tell) {
  SB_ASSIGN_OR_RETURN(const std::vector<Transit> transits, list_transits(files, store_path));
  for (const Transit& transit : transits) {
    const std::string name = transit.path.substr(join_path(store_path, "").size());
    if (transit.is_alive) {
      tell(Finding::Kind::remark, name + ": is on its way");
    } else {
      tell(Finding::Kind::problem,
           name + ": left by an import, a removal or a gc that did not end; signalbook gc --delete ends it");
    }
  }
  return Status();
}

}  // namespace signalbook
