"""What people drew on pictures: boxes from VOC, COCO, YOLO and CSV files, and masks, as samples."""
