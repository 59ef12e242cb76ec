internal import CRocksDB
internal import KVBase

extension DatabaseHandle {
  /// Opens the database in the directory at `path`, and makes it where there is none.
  static func open(_ path: String, _ options: RocksOptions) throws(StorageError) -> DatabaseHandle {
    do {
      return try open(path, options, compresses: options.compresses)
    } catch {
      guard options.compresses, error.description.contains("is not linked") else { throw error }
      return try open(path, options, compresses: false)
    }
  }

  private static func open(
    _ path: String, _ options: RocksOptions, compresses: Bool
  ) throws(StorageError) -> DatabaseHandle {
    let chosen = OptionsHandle()
    chosen.set(options, compresses: compresses)
    chosen.setTables(options)
    // What the C API has no function for: a failed background write is final, never retried.
    // (Not `memtable_insert_with_hint_prefix_extractor`: a hint for records is then used for range
    // deletions too, which are in another table.)
    let complete = OptionsHandle()
    try unsafe RocksError.check("options") { message in
      unsafe rocksdb_get_options_from_string(
        chosen.raw, "max_bgerror_resume_count=0", complete.raw, message)
    }
    let opened = try unsafe RocksError.check("open of \"state\"") { message in
      unsafe rocksdb_open(complete.raw, path, message)
    }
    guard let opened = unsafe opened else { throw .io("RocksDB open: no database and no error") }
    return unsafe DatabaseHandle(opened)
  }
}

extension OptionsHandle {
  fileprivate func set(_ options: RocksOptions, compresses: Bool) {
    unsafe rocksdb_options_set_create_if_missing(raw, 1)
    unsafe rocksdb_options_set_write_buffer_size(raw, options.memtableBytes)
    unsafe rocksdb_options_set_max_write_buffer_number(raw, Int32(options.maximumMemtables))
    unsafe rocksdb_options_set_min_write_buffer_number_to_merge(
      raw, Int32(options.mergedMemtables))
    // A read looks into all of them: a filter spares it the search of most.
    unsafe rocksdb_options_set_memtable_prefix_bloom_size_ratio(raw, options.memtableFilterRatio)
    unsafe rocksdb_options_set_memtable_whole_key_filtering(raw, 1)
    let fileBytes = UInt64(options.memtableBytes * options.mergedMemtables)
    unsafe rocksdb_options_set_target_file_size_base(raw, 2 * fileBytes)
    unsafe rocksdb_options_set_max_bytes_for_level_base(raw, 8 * fileBytes)
    unsafe rocksdb_options_set_level_compaction_dynamic_level_bytes(raw, 1)
    unsafe rocksdb_options_set_level0_file_num_compaction_trigger(
      raw, Int32(options.levelZeroMerge))
    unsafe rocksdb_options_set_level0_slowdown_writes_trigger(
      raw, Int32(options.levelZeroSlowdown))
    unsafe rocksdb_options_set_level0_stop_writes_trigger(raw, Int32(options.levelZeroStop))
    unsafe rocksdb_options_set_compression(
      raw, Int32(compresses ? rocksdb_lz4_compression : rocksdb_no_compression))
    // What is merged again soon is not worth the packing.
    unsafe rocksdb_options_set_min_level_to_compress(raw, 2)
    unsafe rocksdb_options_set_max_background_jobs(raw, Int32(options.backgroundJobs))
    unsafe rocksdb_options_set_max_open_files(raw, Int32(options.maximumOpenFiles))
    unsafe rocksdb_options_set_max_file_opening_threads(raw, 1)
    unsafe rocksdb_options_set_skip_stats_update_on_db_open(raw, 1)
    // One thread writes, so the memory table needs no provision for several.
    unsafe rocksdb_options_set_allow_concurrent_memtable_write(raw, 0)
    unsafe rocksdb_options_set_enable_write_thread_adaptive_yield(raw, 0)
    // Files are handed to the disk as they are written, not all at the end.
    unsafe rocksdb_options_set_bytes_per_sync(raw, 1 << 20)
    // RocksDB's own log of what it does: warnings, two small files.
    unsafe rocksdb_options_set_info_log_level(raw, 2)
    unsafe rocksdb_options_set_max_log_file_size(raw, 1 << 20)
    unsafe rocksdb_options_set_keep_log_file_num(raw, 2)
    unsafe rocksdb_options_set_stats_dump_period_sec(raw, 0)
    unsafe rocksdb_options_set_stats_persist_period_sec(raw, 0)
  }

  fileprivate func setTables(_ options: RocksOptions) {
    // The table options share ownership of the cache and take over the filter.
    let table = unsafe rocksdb_block_based_options_create()
    defer { unsafe rocksdb_block_based_options_destroy(table) }
    // Few shards: with the library's choice each would be too small to hold an index block.
    let cacheOptions = unsafe rocksdb_lru_cache_options_create()
    defer { unsafe rocksdb_lru_cache_options_destroy(cacheOptions) }
    unsafe rocksdb_lru_cache_options_set_capacity(cacheOptions, options.blockCacheBytes)
    unsafe rocksdb_lru_cache_options_set_num_shard_bits(cacheOptions, 2)
    let cache = unsafe rocksdb_cache_create_lru_opts(cacheOptions)
    defer { unsafe rocksdb_cache_destroy(cache) }
    unsafe rocksdb_block_based_options_set_block_cache(table, cache)
    unsafe rocksdb_block_based_options_set_filter_policy(
      table, rocksdb_filterpolicy_create_bloom_full(options.filterBitsPerKey))
    unsafe rocksdb_block_based_options_set_format_version(table, 5)
    // Indexes and filters live in the cache too, so that its size bounds them; in parts, so that
    // a large file's are not read whole for one key.
    unsafe rocksdb_block_based_options_set_index_type(
      table, Int32(rocksdb_block_based_table_index_type_two_level_index_search))
    unsafe rocksdb_block_based_options_set_partition_filters(table, 1)
    unsafe rocksdb_block_based_options_set_metadata_block_size(table, 4096)
    unsafe rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
    unsafe rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(
      table, 1)
    unsafe rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1)
    unsafe rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1)
    unsafe rocksdb_options_set_block_based_table_factory(raw, table)
  }
}
