-- A row of every kind, as a daemon in the middle of its work has them.
INSERT INTO roots (id, path, configured, claimable, away, scanned_at, rule, removes_from_albums) VALUES
    (1, x'2f61', 1, 1, 0, 1795219200000, 'none', 1), (2, x'2f62', 0, 1, 0, NULL, 'none', 0);
INSERT INTO dirs (id, root_id, path) VALUES (1, 1, x''), (2, 1, x'64'), (3, 2, x'');
INSERT INTO albums (id, title, part, album_id, product_url, created_at, create_sent_at, list_checks, order_unknown) VALUES
    (1, 'Holidays', 1, 'x1', 'https://photos.example/x1', 1795219200000, 1795219200000, 0, 0),
    (2, 'Holidays', 2, NULL, NULL, NULL, 1795219200000, 1, 0), (3, 'Trip', 1, 'x3', NULL, 1795219200000, NULL, 0, 1);
INSERT INTO items (id, hash, size, mime, file_name, state, upload_token, token_at, media_item_id, created_at,
                   verify_at, reason, code, message, changed_at, description, describe_at) VALUES
    (1, zeroblob(32), 10, 'image/jpeg', 'a.jpg', 'queued', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795219200000, NULL, NULL),
    (2, CAST(printf('%-32s', '01') AS BLOB), 10, 'image/jpeg', 'b.jpg', 'uploading', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795219200000, NULL, NULL),
    (3, CAST(printf('%-32s', '02') AS BLOB), 10, 'image/jpeg', 'c.jpg', 'uploaded', 'token 3', 1795305500000, NULL, NULL, NULL, NULL, NULL, NULL, 1795219200000, 'Tea', 0),
    (4, CAST(printf('%-32s', '03') AS BLOB), 10, 'image/jpeg', 'd.jpg', 'creating', 'token 4', 1795305500000, NULL, NULL, NULL, NULL, NULL, NULL, 1795219200000, NULL, NULL),
    (5, CAST(printf('%-32s', '04') AS BLOB), 10, 'image/jpeg', 'e.jpg', 'created', NULL, NULL, 'm5', 1795219200000, 1795305500000, NULL, NULL, NULL, 1795219200000, 'Cake', 0),
    (6, CAST(printf('%-32s', '05') AS BLOB), 10, 'video/mp4', 'f.mp4', 'verified', NULL, NULL, 'm6', 1795219200000, NULL, NULL, NULL, NULL, 1795219200000, NULL, NULL),
    (7, CAST(printf('%-32s', '06') AS BLOB), 10, 'image/jpeg', 'g.jpg', 'failed', NULL, NULL, NULL, NULL, NULL, 'refused', 3, 'bad', 1795219200000, NULL, NULL),
    (8, CAST(printf('%-32s', '07') AS BLOB), 10, 'image/jpeg', 'h.jpg', 'missing', NULL, NULL, 'm8', 1795219200000, NULL, 'gone', 5, 'bad', 1795219200000, NULL, NULL),
    (9, CAST(printf('%-32s', '08') AS BLOB), 10, 'image/jpeg', 'i.jpg', 'uploaded', 'token 9', 1795305500000, NULL, NULL, NULL, NULL, NULL, NULL, 1795219200000, NULL, NULL);
INSERT INTO former_media_items VALUES (5, 'm4', 1795219200000);
INSERT INTO files (id, root_id, dir_id, name, size, mtime_ns, ctime_ns, dev, inode, state, item_id, album_id,
                   order_key, new_arrival, due_at, reason_kind, reason, changed_at, sidecars_hash) VALUES
    (1, 1, 1, CAST('a.jpg' AS BLOB), 10, 1, 1, 1, 1, 'queued', NULL, 1, x'0101', 0, NULL, NULL, NULL, 1795219200000, NULL),
    (2, 1, 1, CAST('b.jpg' AS BLOB), 10, 1, 1, 1, 2, 'claimed', 2, 1, x'0102', 0, NULL, NULL, NULL, 1795219200000, NULL),
    (3, 1, 2, CAST('c.jpg' AS BLOB), 10, 1, 1, 1, 3, 'attached', 3, 1, x'0103', 0, NULL, NULL, NULL, 1795219200000, 7),
    (4, 1, 2, CAST('d.jpg' AS BLOB), 10, 1, 1, 1, 4, 'attached', 4, 2, x'0104', 1, NULL, NULL, NULL, 1795219200000, 0),
    (5, 1, 2, CAST('e.jpg' AS BLOB), 10, 1, 1, 1, 5, 'attached', 5, 1, x'0105', 0, NULL, NULL, NULL, 1795219200000, NULL),
    (6, 2, 3, CAST('f.mp4' AS BLOB), 10, 1, 1, 1, 6, 'gone', 6, 3, x'0106', 0, NULL, NULL, NULL, 1795219200000, NULL),
    (7, 2, 3, x'67ff2e6a7067', 10, 1, 1, 1, 7, 'attached', 7, 0, x'0107', 0, NULL, NULL, NULL, 1795219200000, NULL),
    (8, 2, 3, CAST('h.jpg' AS BLOB), 10, 1, 1, 1, 8, 'attached', 8, 0, x'0108', 0, NULL, NULL, NULL, 1795219200000, NULL),
    (9, 1, 1, CAST('s.jpg' AS BLOB), 10, 1, 1, 1, 9, 'settling', NULL, NULL, NULL, 0, 1795305500000, NULL, NULL, 1795219200000, NULL),
    (10, 1, 1, CAST('t.txt' AS BLOB), 10, 1, 1, 1, 10, 'refused', NULL, NULL, NULL, 0, NULL, 'text', 'it holds text', 1795219200000, NULL),
    (11, 1, 1, CAST('q.jpg' AS BLOB), 10, 1, 1, 1, 11, 'queued', NULL, 0, x'0109', 1, NULL, NULL, NULL, 1795219200000, NULL);
-- Files that are moved once they are safe: one is due, one is on its way, one has gone.
UPDATE roots SET has_action = 1 WHERE id = 1;
INSERT INTO items (id, hash, size, mime, file_name, state, media_item_id, created_at, changed_at, describe_at, verify_result, matched_by_name) VALUES
    (10, CAST(printf('%-32s', '09') AS BLOB), 10, 'image/jpeg', 'k.jpg', 'verified', 'm10', 1795219200000, 1795219200000, NULL, 'sound', 0),
    (11, CAST(printf('%-32s', '10') AS BLOB), 10, 'image/jpeg', 'l.jpg', 'verified', 'm11', 1795219200000, 1795219200000, NULL, 'unsound', 0),
    (12, CAST(printf('%-32s', '11') AS BLOB), 10, 'image/jpeg', 'm.jpg', 'verified', 'm12', 1795219200000, 1795219200000, NULL, NULL, 1);
INSERT INTO files (id, root_id, dir_id, name, size, mtime_ns, ctime_ns, dev, inode, state, item_id, album_id,
                   order_key, new_arrival, due_at, reason_kind, reason, changed_at, sidecars_hash) VALUES
    (12, 1, 1, CAST('k.jpg' AS BLOB), 10, 1, 1, 1, 12, 'attached', 10, 0, x'010a', 0, NULL, NULL, NULL, 1795219200000, NULL),
    (13, 1, 1, CAST('l.jpg' AS BLOB), 10, 1, 1, 1, 13, 'attached', 11, 0, x'010b', 0, NULL, NULL, NULL, 1795219200000, NULL);
INSERT INTO source_actions VALUES
    (1, 12, 10, 'move', x'2f612f6b2e6a7067', x'2f7a2f6b2e6a7067', 1795219200000, NULL, NULL),
    (2, 6, 6, 'delete', x'2f622f66', NULL, 1795219200000, 1795219200000, NULL),
    (3, 13, 11, 'move', x'2f612f6c', x'2f7a2f6c', 1795219200000, NULL, 'it is there');
INSERT INTO meta VALUES ('client_since', '1795219100000');
INSERT INTO former_items VALUES (5, 7, 1795219200000);
INSERT INTO upload_sessions VALUES (2, 'http://127.0.0.1:1/s', 262144, 5, 1, 2, 10, 1, 1, 1795305500000);
INSERT INTO placements (id, item_id, album_id, order_key, state, in_sequence, item_exists, wanted_at) VALUES
    (1, 3, 1, x'0103', 'wanted', 0, 0, 1795219200000), (2, 4, 2, x'0104', 'wanted', 0, 0, 1795219200000),
    (3, 5, 1, x'0105', 'placed', 1, 1, 1795219200000), (4, 6, 3, x'0106', 'leaving', 0, 1, 1795219200000),
    (5, 5, 3, x'0105', 'wanted', 0, 1, 1795219200000), (6, 8, 0, x'0108', 'refused', 0, 0, 1795219200000),
    (7, 9, 0, x'0109', 'wanted', 0, 0, 1795219200000), (8, 6, 1, x'0106', 'gone', 0, 1, 1795219200000);
UPDATE placements SET position_unknown = 1 WHERE id IN (1, 5);
INSERT INTO pending_removals VALUES (6, 2, 6, 3, 1795219200000, 0, 0), (5, 1, 5, 1, 1795219200000, 1, 0);
INSERT INTO calls VALUES
    (1, 'create_items', 1, 'after m5', '/v1/mediaItems:batchCreate', NULL, 1795219200000, 1, 1795219300000, 200, NULL),
    (2, 'create_items', 2, 'last', '/v1/mediaItems:batchCreate',
     '{"newMediaItems":[{"simpleMediaItem":{"uploadToken":"token 4","fileName":"d.jpg"}}]}', 1795305500000, 1, NULL, NULL, NULL);
INSERT INTO call_items VALUES (1, 0, 5, 0, NULL), (1, 1, 7, 3, 'bad'), (2, 0, 4, NULL, NULL);
INSERT INTO commands VALUES
    (1, 'backfill', '{"kind":"backfill","paths":[[47,97]],"no_wait":false}', 1795305500000, 1795305500000, NULL, NULL, NULL),
    (2, 'remove', '{"kind":"remove","places":[[5,1]],"held":false}', 1795305500000, NULL, NULL, NULL, NULL),
    (3, 'verify', '{"kind":"verify"}', 1795219200000, 1795219200000, 1795219200000, 0, 'done');
INSERT INTO quota_usage VALUES ('2026-11-21', 40, 90, 2);
INSERT INTO process VALUES (1, 'daemon', 7, 1795219200000, 1000, 12.5);
INSERT INTO transfers VALUES (2, x'2f612f622e6a7067', 5, 10);
UPDATE pauses SET reason = 'so it is', until = 1795305900000 WHERE scope = 'account';
